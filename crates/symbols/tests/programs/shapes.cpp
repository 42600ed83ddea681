// Mangled names, inlined methods, templates.
#include <cstdlib>

namespace shape {

struct Disc {
    double radius;
    __attribute__((noinline)) double area(double pi) const;
    double twice(double pi) const { return area(pi) + area(pi); }
};

double Disc::area(double pi) const
{
    return pi * radius * radius;
}

template <typename T> __attribute__((noinline)) T clamp(T x, T most)
{
    return x < most ? x : most;
}

} // namespace shape

int main(int argc, char **argv)
{
    shape::Disc disc{argc > 1 ? std::atof(argv[1]) : 2.0};
    return static_cast<int>(shape::clamp<double>(disc.twice(3.14), 100) + shape::clamp(argc, 7));
}
