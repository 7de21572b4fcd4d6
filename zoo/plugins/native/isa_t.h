/* All kernels of one instruction set, and their table. The including file sets
 * VL, MR and ISA_TABLE, and the compiler's target. */
#include "kernels.h"

#include "vec.h"

#include "activation_t.h"
#include "pixels_t.h"
#include "attention_t.h"
#include "matmul_t.h"

#include "conv_t.h"

#include "depthwise_t.h"

#include "winograd_t.h"

#include "amx_t.h"

#include "conv_gradient_t.h"

#include "winograd_gradient_t.h"

#include "pointwise_gradient_t.h"

const zoo_isa ISA_TABLE = {
    .name = ISA_NAME,
    .lanes = VL,
    .mr = MR,
    .nr = NR,
    .conv_direct = conv_direct,
    .conv_dot = conv_dot,
    .conv_depthwise = conv_depthwise,
    .winograd = {winograd2, winograd4, winograd6},
    .conv_tiles = conv_tiles,
#ifdef ZOO_AMX
    .has_tiles = 1,
#endif
    .matmul_panel = matmul_panel,
    .dot = dot,
    .activate = activate,
    .blend = blend,
    .multiply = multiply,
    .multiply_each = multiply_each,
    .normalize_pixels = normalize_pixels,
    .resample_pixels = resample_pixels,
    .attend = attend,
    .maximum = maximum,
    .axpy = axpy,
    .weights_gradient = weights_gradient,
    .small_gradient = {windows_gradient, few_gradient, depthwise_gradient},
    .gradient_tiles = {gradient_tiles2, gradient_tiles4, gradient_tiles6},
    .outer_panel = outer_panel,
    .activation_gradient = activation_gradient,
    .add_slopes_gradient = add_slopes_gradient,
    .larger = larger,
    .adam = adam,
    .normalize = normalize,
    .add_products = add_products,
};
