/* Functions that are inlined, in a header, two deep. */
static inline __attribute__((always_inline)) long square(long x)
{
    return x * x;
}

static inline __attribute__((always_inline)) long sum_of_squares(const long *x, int n)
{
    long sum = 0;
    for (int i = 0; i < n; i++) {
        sum += square(x[i]);
    }
    return sum;
}
