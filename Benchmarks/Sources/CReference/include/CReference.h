#ifndef CREFERENCE_H
#define CREFERENCE_H

// How far `sum` is from the sum of 1/(2k+1)^2 over the first `terms` terms, taken in long double, the smallest first.
double c_error_of_sum(double sum, long terms);

#endif
