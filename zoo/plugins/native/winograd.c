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

void zoo_winograd_weights(int m, const double g[8][3], const float *w, int64_t apart,
                          float *u) {
    double half[8][3];
    int a = m + 2;
    for (int i = 0; i < a; i++)
        for (int x = 0; x < 3; x++) {
            half[i][x] = 0;
            for (int y = 0; y < 3; y++)
                half[i][x] += g[i][y] * w[(y * 3 + x) * apart];
        }
    for (int i = 0; i < a; i++)
        for (int j = 0; j < a; j++) {
            double sum = 0;
            for (int x = 0; x < 3; x++)
                sum += half[i][x] * g[j][x];
            u[i * a + j] = (float)sum;
        }
}
