/* Which algorithm a convolution takes: estimated times. */
#include "conv.h"

/* Rough cycles on one core, by algorithm: of a vector product in a loop that does two
 * per cycle; of transforming a vector of channels of one tile to and fro; of packing
 * the weights of one channel and filter. Fitted to 80 shapes, 16 to 256 channels and
 * 16 to 256 pixels a side, measured with AVX2: the choice by them takes 1.5 % longer
 * than the best on average and 13 % at most. */
static const struct {
    double product, in, out, pack;
} costs[] = {
    [ZOO_AUTO] = {1.35, 0, 0, 50}, /* all that is direct */
    [ZOO_WINOGRAD2] = {1.1, 180, 220, 180},
    [ZOO_WINOGRAD4] = {1.1, 250, 275, 320},
    [ZOO_WINOGRAD6] = {1.3, 600, 600, 450},
};

enum { SHORTEST_TILED = 192 }; /* products in a sum that three bfloat16 products form */

static double cycles(const zoo_isa *isa, const zoo_conv_shape *s, int algorithm,
                     int packed) {
    int m = winograd_tile(algorithm), row = m ? algorithm : ZOO_AUTO;
    double lanes = (double)isa->lanes, taps = (double)(s->kh * s->kw);
    double images = (double)s->n, c = (double)s->c, k = (double)s->k;
    double weights = packed ? 0 : c / (double)s->groups * k;
    double a = m + 2, tiles, product = costs[row].product / 2;
    double columns = (double)(s->groups * panel_columns(isa, s->k / s->groups));
    if (algorithm == ZOO_DOT)
        columns = 1.2 * k;
    if (on_tiles(algorithm)) {
        /* Counted, not measured: a product of 16 x 16 x 32 takes 16 cycles, with loads
         * some 22; finishing 16 x 16 results about 80; converting a channel of a
         * pixel 1/5 or 1/10. */
        int64_t cg = s->c / s->groups, kg = s->k / s->groups;
        double products = algorithm == ZOO_AMX3 ? 3 : 1;
        double panels = (double)(s->groups * (round_up(kg, 16) / 16));
        double blocks = (double)(round_up(cg, 32) / 32);
        tiles = images * (double)s->oh * (double)((s->ow + 15) / 16);
        return tiles * panels * (taps * blocks * products * 22 + 80) +
               images * (double)s->h * (double)s->w * blocks * (double)s->groups * 32 *
                   1.3 * (products > 1 ? 0.2 : 0.1) +
               weights * taps * 10;
    }
    if (m == 0)
        return images * (double)s->oh * (double)s->ow * taps * c / (double)s->groups *
                   columns * product / lanes +
               weights * taps / 9 * costs[row].pack;
    tiles = images * (double)((s->oh + m - 1) / m) * (double)((s->ow + m - 1) / m);
    return tiles * (a * a * c * columns * product + costs[row].in * c +
                    costs[row].out * k) /
               lanes +
           weights * costs[row].pack;
}

/* What zoo_conv_algorithm says of tiles: windows of some size would need too much
 * converted input, few channels would be mostly padding. */
static int tiles_fit(const zoo_conv_shape *s) {
    return s->c / s->groups >= 8 && (s->kh - 1) * s->dh <= 64 &&
           (s->kw - 1) * s->dw <= 64 && s->sh <= 8 && s->sw <= 8 &&
           s->c / s->groups <= 1 << 16;
}

int zoo_conv_algorithm(const zoo_isa *isa, const zoo_conv_shape *s, int wanted,
                       int packed) {
    int64_t cg = s->c / s->groups;
    int direct = ZOO_DIRECT, best;
    int fits = s->kh == 3 && s->kw == 3 && s->sh == 1 && s->sw == 1 && s->dh == 1 &&
               s->dw == 1 && s->groups == 1;
    if (cg == 1 && s->groups > 1)
        direct = ZOO_DEPTHWISE;
    else if (s->groups == 1 && s->k <= 4 && s->c >= isa->lanes)
        direct = ZOO_DOT;
    switch (wanted) {
    case ZOO_WINOGRAD2:
    case ZOO_WINOGRAD4:
    case ZOO_WINOGRAD6:
        return fits ? wanted : -1;
    case ZOO_AMX3:
    case ZOO_AMX1:
        return tiles_fit(s) ? wanted : -1;
    case ZOO_AUTO:
    case ZOO_AUTO_BF16:
        best = direct;
        if (fits && s->c >= 16 && s->k >= 16)
            for (int way = ZOO_WINOGRAD2; way <= ZOO_WINOGRAD6; way++)
                if (cycles(isa, s, way, packed) < cycles(isa, s, best, packed))
                    best = way;
        /* Sums of few products gain little on tiles, and would lose what float32 keeps:
         * detectors are chains of such, and each adds its part to the error. */
        if (isa->has_tiles && tiles_fit(s) &&
            (wanted != ZOO_AUTO || s->kh * s->kw * cg >= SHORTEST_TILED)) {
            int way = wanted == ZOO_AUTO ? ZOO_AMX3 : ZOO_AMX1;
            if (cycles(isa, s, way, packed) < cycles(isa, s, best, packed))
                best = way;
        }
        return best;
    default:
        return direct;
    }
}
