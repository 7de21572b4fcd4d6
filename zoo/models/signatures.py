"""What a stranger's tensors look like: names that tell an architecture.

For families that are not converted (yet), and for files that people take for
super-resolution networks. An entry names tensors that are all there, as regular
expressions, below whatever holds them; the first entry that fits counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["looks_like"]

_SIGNATURES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    # Transformers for super-resolution.
    ("HAT", (r"layers\.\d+\.residual_group\.overlap_attn\.",)),
    ("ATD", (r"layers\.\d+\.residual_group\.(td|layers\.\d+\.sigma)",)),
    ("DRCT", (r"layers\.\d+\.swin1\.", r"layers\.\d+\.adjust1\.")),
    ("SRFormer", (r".*\.attn\.aligned_relative_position_index",)),
    ("SwinIR", (r"layers\.\d+\.residual_group\..*relative_position_bias_table",)),
    ("RGT", (r"before_RG\.", r"layers\.\d+\.blocks\.\d+\.gamma")),
    ("DAT", (r"before_RG\.", r"layers\.\d+\.blocks\.\d+\.attn\.")),
    ("OmniSR", (r"residual_layer\.\d+\.residual_layer\.\d+\.layer\.",)),
    ("GRL", (r"layers\.\d+\.blocks\.\d+\.attn\.(window|stripe)_attn",)),
    ("CRAFT", (r"layers\.\d+\..*\.(hf_attn|lf_attn|srwa)|biases_h", r"conv_first\.")),
    ("Swin2SR", (r"layers\.\d+\..*\.logit_scale",)),
    ("DITN", (r"UFONE\.\d+\.",)),
    ("MoESR", (r"in_to_dim\.", r"blocks\.\d+\.blocks\.\d+\.gamma")),
    ("FDAT", (r"groups\.\d+\.blocks\.\d+\.n1\.",)),
    ("SeemoRe", (r"body\.\d+\.(local_block|global_block)\.",)),
    ("DCTLSA", (r"B\d+\.body\.\d+\.transformer_body\.",)),
    ("SAFMN-BCIE", (r"feats\.\d+\.layers\.\d+\.safm\.",)),
    ("MM-RealSR", (r"am_list\.\d+\.fc\.", r"body\.\d+\.rdb1\.")),
    ("PLKSR with sparse kernels", (r"feats\.1\.lk\.(convs\.0|mn_conv)\.",)),
    ("SCUNet", (r"m_head\.0\.", r"m_body\.\d+\.trans_block\.")),
    ("ELAN", (r"body\.\d+\.modules_(lfe|gmsa)\.",)),
    ("EDT", (r"body\.\d+\.body\.\d+\.attn\.", r"head\.")),
    ("ESRT", (r".*\.attention\.reduce\.",)),
    # Convolutions for super-resolution that need layers of their own.
    ("MAN", (r"body\.\d+\..*LKA|.*\.LKA\d?\.",)),
    ("CAIN", (r"encoder\.interpolate\.|encoder\.headConv",)),
    ("SPSR", (r"b_fea_conv\.|.*get_g_nopadding",)),
    ("DITN", (r"sfe\.", r"transformer\.\d+\.|UFONE")),
    ("Swift-SRGAN", (r"initial\.cnn\.depthwise\.",)),
    ("HMA", (r"layers\.\d+\.residual_group\.(.*GAB|grid_attn)",)),
    ("SAN", (r"RG\.\d+\.rcab|non_local\.",)),
    ("HAN", (r"csa\.|la\.gamma",)),
    ("NLSN", (r"body\.\d+\.conv_assembly\.",)),
    ("BSRN", (r"B\d\.c1_d\.|B\d\..*\.pw\.",)),
    ("DBPN", (r"up1\.up_conv1\.", r"down1\.down_conv1\.")),
    ("SRFBN", (r"block\.(upBlocks|uptranBlocks)\.",)),
    ("RealCUGAN", (r"unet1\.conv1\.conv\.0\.", r"unet2\.")),
    ("a relative of RRDBNet", (r"(model\.)?1\.sub\.\d+\.RDB\d\.",)),
    ("ESPAN", (r"tea_conv_cat\.", r"teacher_block_seq\.|block_1\.c1_r\.")),
    ("SPANF", (r"conv_near\.", r"block_1\.c1_r\.")),
    ("FMEN", (r"HFABs\.\d+\.",)),
    ("IMDN+", (r"FEM\.1\.sub\.\d+\.c7\.",)),
    ("a relative of RFDN or RLFN", (r"(B|block_)\d+\.c\d_[rd]\.",)),
    ("LIIF or another network of any scale", (r"imnet\.layers\.\d+\.",)),
    # Video.
    ("BasicVSR or another recurrent video network", (r"spynet\.basic_module\.",)),
    ("EDVR, a video network", (r"pcd_align\.",)),
    ("SOFVSR, a video network", (r"OFR\.", r"SR\.")),
    ("FBCNN, which repairs JPEG pictures", (r"m_head\.", r"qf_pred\.")),
    ("DRUNet, which denoises", (r"m_head\.", r"m_down1\.\d+\.res\.")),
    ("TSCUNet, a video network", (r"m_layers\.|m_tail\.", r"m_head\.")),
    ("RIFE, which makes frames between frames", (r"block0\.conv0\.", r"contextnet\.")),
    # Restoration.
    ("RetinexFormer", (r"body\.\d+\.(estimator|denoiser)\.",)),
    ("HVI-CIDNet", (r"HVE?_(block|LCA)\d",)),
    ("MixDehazeNet", (r"layer1\.blocks\.\d+\.mlp\d?\.", r"patch_embed\.proj\.")),
    ("KBNet", (r"(encoders\.\d+|encoder_level1)\.\d+\.(ffn\.)?(w|attgamma|ga1)$",)),
    ("Restormer", (r"patch_embed\.proj\.", r"encoder_level1\.0\.attn\.")),
    ("NAFNet", (r"intro\.", r"ending\.", r"encoders\.\d+\.\d+\.")),
    ("MPRNet", (r"stage1_encoder\.", r"shallow_feat1\.")),
    ("Uformer", (r"encoderlayer_0\.",)),
    ("FFTformer", (r".*\.attn\.to_hidden_dw\.",)),
    ("DnCNN or IRCNN", (r"model\.0\.weight", r"model\.(2|38)\.weight")),
    ("LaMa, which fills holes", (r".*\.ffc\.convg2g\.|.*convl2g\.",)),
    ("MAT, which fills holes", (r"synthesis\.first_stage\.",)),
    ("GFPGAN, for faces", (r"stylegan_decoder\.",)),
    (
        "CodeFormer, for faces",
        (r"quantize\.embedding\.", r"ft_layers\.|encoder\.blocks\."),
    ),
    ("RestoreFormer, for faces", (r"quantize\.embedding\.", r"decoder\.mid\.")),
    ("DDColor, which colours", (r"decoder\.color_decoder\.",)),
    # What helps to train.
    ("a discriminator (U-Net)", (r"conv0\.", r"conv9\.", r"conv8\.")),
    ("a discriminator (VGG style)", (r"(features|net)\.\d+\.", r"classifier\.\d+\.")),
    (
        "VGG, of a perceptual loss or a classifier",
        (r"features\.0\.weight", r"features\.28\."),
    ),
    ("a discriminator", (r"conv0_0\.", r"conv4_1\.|linear2\.")),
    # Others that people have.
    ("ResNet, a classifier", (r"layer1\.0\.conv1\.", r"fc\.weight")),
    ("YOLO, a detector", (r"model\.\d+\.(conv|cv1)\.",)),
    ("a diffusion model", (r"(model\.)?diffusion_model\.|down_blocks\.\d+\.",)),
    ("a diffusion autoencoder", (r"(first_stage_model\.)?decoder\.mid\.block_1\.",)),
    ("CLIP or another text and image model", (r".*(text_model|visual)\.",)),
    (
        "a language model",
        (r"(model\.)?(embed_tokens|layers\.\d+\.self_attn)\.|transformer\.h\.",),
    ),
    ("a vision transformer", (r"cls_token", r"pos_embed|blocks\.\d+\.attn\.")),
    ("LoRA, changes to another network", (r".*\.?lora_(up|down|A|B)\.",)),
)
_MOST_NAMES: Final = 3000


def looks_like(names: Iterable[str]) -> str | None:
    """What tensors of these names probably are; None if nothing comes to mind."""
    held = [name for _, name in zip(range(_MOST_NAMES), names, strict=False)]
    for what, patterns in _SIGNATURES:
        compiled = [re.compile(rf"(?:.*\.)?(?:{pattern})") for pattern in patterns]
        if all(any(one.match(name) for name in held) for one in compiled):
            return what
    return None
