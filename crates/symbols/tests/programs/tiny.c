/* A program without a library: small, so that what is damaged in it is likely to matter. */
struct pair {
    long first, second;
};

static inline long square(long x)
{
    return x * x;
}

static inline long sum(const struct pair *pair)
{
    return square(pair->first) + square(pair->second);
}

__attribute__((noinline)) long twice(const struct pair *pair)
{
    return 2 * sum(pair);
}

void _start(void)
{
    static struct pair pair = {3, 4};
    for (;;) {
        pair.first = twice(&pair);
        if (pair.first > 1000) {
            pair.first = sum(&pair) % 7;
        }
    }
}
