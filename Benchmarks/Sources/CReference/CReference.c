#include "CReference.h"

#include <math.h>

double c_error_of_sum(double sum, long terms) {
  long double reference = 0;
  for (long k = terms - 1; k >= 0; k--) {
    long double odd = 2 * (long double)k + 1;
    reference += 1 / (odd * odd);
  }
  return (double)fabsl((long double)sum - reference);
}
