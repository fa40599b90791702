#include "CKernel.h"

// The counter that enters the arithmetic is a double: before AVX-512 no instruction converts a vector of 64-bit
// integers, and the loop is not vectorised. An integer counts the rounds, for the loop is not vectorised either where
// their number is unknown. Each of the two mistakes takes four times as long.
double c_slice_sum(long start, long end) {
  double sum = 0;
  double counter = (double)start;
  for (long k = start; k < end; k++, counter += 1) {
    double odd = 2 * counter + 1;
    sum += 1 / (odd * odd);
  }
  return sum;
}
