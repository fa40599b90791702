#ifndef CKERNEL_H
#define CKERNEL_H

// The sum of 1/(2k+1)^2 over the terms k from `start` up to, not including, `end`.
double c_slice_sum(long start, long end);

#endif
