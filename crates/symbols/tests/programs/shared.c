/* The library of the program. */
#include "kernel.h"

static __attribute__((noinline)) long hidden(const long *x, int n)
{
    return sum_of_squares(x, n) + 1;
}

long library_function(const long *x, int n)
{
    return hidden(x, n) * 3;
}
