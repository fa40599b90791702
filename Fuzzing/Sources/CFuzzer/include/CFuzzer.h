#include <stddef.h>
#include <stdint.h>

/// libFuzzer's own loop, for a program whose `main` is Swift's.
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*run)(const uint8_t *data, size_t size));
