"""Keys of [net] that say how a network is trained, and Darknet's without effect."""

from __future__ import annotations

from zoo.keys import Key

__all__ = ["DEGRADATION_KEYS", "RECIPE_KEYS", "UNUSED_KEYS"]


def _share(name: str, default: float, of: str) -> Key:
    """A key that is a share of all patches."""
    return Key(name, "float", default, f"share of {of}", minimum=0, maximum=1)


_RECIPE = (
    Key(
        "time_steps",
        "int",
        1,
        "pictures of a batch in a row that recurrent layers take for one sequence",
        minimum=1,
    ),
    Key(
        "batch", "int", 1, "images per update; zoo train takes 16 if absent", minimum=1
    ),
    Key(
        "subdivisions",
        "int",
        1,
        "parts a batch is worked off in, to save memory",
        minimum=1,
    ),
    Key("max_batches", "int", 0, "updates in all; 20000 if absent", minimum=0),
    Key(
        "learning_rate",
        "float",
        0.001,
        "step size of the optimizer; zoo train takes 1e-4 if absent",
        minimum=0,
    ),
    Key("learning_rate_min", "float", 0.0, "floor of sgdr", minimum=0),
    Key("momentum", "float", 0.9, "of momentum and nesterov", minimum=0),
    Key("decay", "float", 0.0, "weight decay", minimum=0),
    Key("adam", "bool", False, "Darknet's way to write optimizer=adam"),
    Key("optimizer", "str", "adam", "sgd, momentum, nesterov, adam, adamw, ..."),
    Key("cost", "str", "mae", "mae, mse, charbonnier, smooth, ..."),
    Key("patch", "int", 48, "side of the low-resolution patches", minimum=1),
    Key("augment", "bool", True, "flip the patches and turn them by 90 degrees"),
    Key("seed", "int", 0, "of the first weights and of the patches", minimum=0),
    Key(
        "clip_gradient",
        "float",
        0.0,
        "largest norm of the gradient; 0 is any",
        minimum=0,
    ),
    Key("B1", "float", 0.9, "Adam's first decay", minimum=0, maximum=1),
    Key("B2", "float", 0.999, "Adam's second decay", minimum=0, maximum=1),
    Key("eps", "float", 1e-8, "Adam's epsilon", minimum=0),
    Key(
        "policy",
        "str",
        "constant",
        "learning-rate schedule",
        choices=(
            "constant",
            "step",
            "steps",
            "exp",
            "poly",
            "random",
            "sigmoid",
            "sgdr",
        ),
    ),
    Key("burn_in", "int", 0, "updates of warm-up", minimum=0),
    Key("power", "float", 4.0, "of poly, of random and of the warm-up"),
    Key("gamma", "float", 1.0, "of exp and sigmoid"),
    Key("step", "int", 1, "updates between steps", minimum=1),
    Key("scale", "float", 1.0, "factor of one step"),
    Key("steps", "ints", (), "updates at which the rate changes"),
    Key("scales", "floats", (), "factors at those updates"),
    Key("sgdr_cycle", "int", 0, "length of the first cycle"),
    Key("sgdr_mult", "int", 2, "growth of the cycles"),
    Key(
        "ema_alpha",
        "float",
        0.0,
        "share of an update in the moving average of the weights, which is what is "
        "kept; 0: no average",
        minimum=0,
        maximum=1,
    ),
    Key("batch_steps", "ints", (), "updates at which the batch changes"),
    Key("batch_scales", "floats", (), "factors of the batch at those updates"),
    Key(
        "train_precision",
        "str",
        "f32",
        "bf16: convolutions and products of training in bfloat16, weights and sums in "
        "float32; back end torch alone",
        choices=("f32", "bf16"),
    ),
    _share("blend_share", 0.0, "patches that are blended with another one (mixup)"),
    _share("permute_share", 0.0, "patches whose colours change places"),
)

DEGRADATION_KEYS = (
    Key(
        "blur_sigma",
        "floats",
        (),
        "standard deviation of a Gaussian blur, in pixels of the large picture, or the "
        "least and the largest",
        minimum=0,
        maximum=16,
    ),
    _share("blur_isotropic", 1.0, "blurred patches whose blur is round"),
    _share("blur_share", 1.0, "patches that are blurred"),
    Key(
        "downscale",
        "strs",
        ("bicubic",),
        "how pictures are made small, one of these for each patch: bicubic (MATLAB's), "
        "area, bilinear, lanczos (OpenCV's)",
        choices=("bicubic", "area", "bilinear", "lanczos"),
    ),
    Key(
        "noise_sigma",
        "floats",
        (),
        "standard deviation of Gaussian noise, in 255ths of white, or the least and "
        "the largest",
        minimum=0,
        maximum=255,
    ),
    _share("noise_gray", 0.0, "noisy patches whose noise is gray"),
    _share("noise_share", 1.0, "patches that get noise"),
    Key(
        "jpeg_quality",
        "ints",
        (),
        "quality of JPEG for the small picture, or the least and the largest",
        minimum=1,
        maximum=100,
    ),
    Key(
        "jpeg_chroma",
        "strs",
        ("420",),
        "subsampling of JPEG's chroma, one of these for each patch: 420, 422, 444",
        choices=("420", "422", "444"),
    ),
    _share("jpeg_share", 1.0, "patches that become JPEG"),
)
"""What happens to small pictures, in this order."""

RECIPE_KEYS = _RECIPE + DEGRADATION_KEYS
"""How a network is trained, which says nothing of what it computes."""

UNUSED_KEYS = (
    Key("seq_scales", "floats", (), "Darknet's: of sequences", unused=True),
    Key("max_epochs", "int", 0, "Darknet's: passes over the data", unused=True),
) + tuple(
    Key(name, "str", "", "Darknet's; without effect here", unused=True)
    for name in [
        "max_crop",
        "min_crop",
        "flip",
        "blur",
        "gaussian_noise",
        "mixup",
        "cutmix",
        "mosaic",
        "mosaic_bound",
        "contrastive",
        "contrastive_jit_flip",
        "contrastive_color",
        "unsupervised",
        "label_smooth_eps",
        "resize_step",
        "attention",
        "adversarial_lr",
        "max_chart_loss",
        "angle",
        "aspect",
        "saturation",
        "exposure",
        "hue",
        "show_receptive_field",
        "track",
        "augment_speed",
        "sequential_subdivisions",
        "try_fix_nan",
        "weights_reject_freq",
        "equidistant_point",
        "badlabels_rejection_percentage",
        "num_sigmas_reject_badlabels",
        "use_cuda_graph",
        "loss_scale",
        "dynamic_minibatch",
        "optimized_memory",
        "workspace_size_limit_MB",
        "notruth",
        "random",
        "max_ratio",
        "min_ratio",
        "center",
        "clip",
        "seen",
    ]
)
