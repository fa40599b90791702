#ifndef CALLOCATIONS_H
#define CALLOCATIONS_H

// How many times this process has allocated memory, by whichever thread and library.
long c_allocations(void);

#endif
