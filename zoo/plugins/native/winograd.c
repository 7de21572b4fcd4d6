/* Weights of Winograd convolutions: U = G g G', in double precision. */
#include "winograd.h"

/* Row i of G: (1, p, p^2) / product over the other points q of (p - q); the last
 * row, of infinity: (0, 0, 1). */
void zoo_winograd_matrix(int m, double g[8][3]) {
    static const double points[] = {0, 1, -1, 0.5, -0.5};
    static const double points6[] = {0, 1, -1, 2, -2, 0.5, -0.5};
    const double *p = m == 6 ? points6 : points;
    int count = m + 1;
    for (int i = 0; i < count; i++) {
        double divisor = 1;
        for (int j = 0; j < count; j++)
            if (j != i)
                divisor *= p[i] - p[j];
        g[i][0] = 1 / divisor;
        g[i][1] = p[i] / divisor;
        g[i][2] = p[i] * p[i] / divisor;
    }
    g[count][0] = g[count][1] = 0;
    g[count][2] = 1;
}

/* Filters worked on at a time; the inner loops run along them. */
#define SOME 8

void zoo_winograd_weights(int m, const double g[8][3], const float *w, int64_t apart,
                          int64_t real, int64_t count, float *u, int64_t u_apart) {
    int a = m + 2;
    for (int64_t first = 0; first < count; first += SOME) {
        double taps[9][SOME] = {{0}}, half[8][3][SOME];
        int64_t n = count - first < SOME ? count - first : SOME;
        int64_t filled = real - first < n ? real - first : n;
        for (int t = 0; t < 9; t++)
            for (int64_t f = 0; f < filled; f++)
                taps[t][f] = w[t * apart + first + f];
        for (int i = 0; i < a; i++)
            for (int x = 0; x < 3; x++)
                for (int f = 0; f < SOME; f++)
                    half[i][x][f] = g[i][0] * taps[x][f] + g[i][1] * taps[3 + x][f] +
                                    g[i][2] * taps[6 + x][f];
        for (int i = 0; i < a; i++)
            for (int j = 0; j < a; j++) {
                float *to = u + (i * a + j) * u_apart + first, sums[SOME];
                for (int f = 0; f < SOME; f++)
                    sums[f] = (float)(half[i][0][f] * g[j][0] + half[i][1][f] * g[j][1] +
                                      half[i][2][f] * g[j][2]);
                for (int64_t f = 0; f < n; f++)
                    to[f] = sums[f];
            }
    }
}
