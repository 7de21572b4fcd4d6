// From values to the colours that a canvas shows.

const CHECKS = [204, 238]; // behind what is transparent

// Fill RGBA bytes from H x W x C values; `low` is black and `high` white. Of two or four
// channels the last is alpha, which `white` is opaque in. NaN is magenta.
export function shade(out, values, width, channels, low, high, white) {
  const factor = 255 / (high - low || 1);
  const colors = channels > 2 ? 3 : 1;
  const hasAlpha = channels === 2 || channels === 4;
  for (let p = 0, i = 0, o = 0; o < out.length; p++, i += channels, o += 4) {
    for (let c = 0; c < 3; c++) {
      const value = values[i + (colors === 3 ? c : 0)];
      out[o + c] = value === value ? (value - low) * factor : c === 1 ? 0 : 255;
    }
    out[o + 3] = 255;
    if (hasAlpha) {
      const alpha = values[i + channels - 1] / white;
      const x = p % width, y = (p - x) / width;
      const back = CHECKS[((x >> 3) ^ (y >> 3)) & 1];
      for (let c = 0; c < 3; c++) out[o + c] = out[o + c] * alpha + back * (1 - alpha);
    }
  }
}
