// The bicubic of Keys (1981), a = -1/2, as zoo/resize.py has it; only to enlarge.

function kernel(t) {
  t = Math.abs(t);
  if (t <= 1) return (1.5 * t - 2.5) * t * t + 1;
  return t < 2 ? ((-0.5 * t + 2.5) * t - 4) * t + 2 : 0;
}

function taps(length, made) {
  const factor = made / length;
  const indices = new Int32Array(4 * made), weights = new Float64Array(4 * made);
  for (let o = 0; o < made; o++) {
    const center = (o + 0.5) / factor - 0.5;
    const first = Math.floor(center) - 1;
    let sum = 0;
    for (let k = 0; k < 4; k++) {
      indices[4 * o + k] = Math.min(length - 1, Math.max(0, first + k));
      weights[4 * o + k] = kernel(center - first - k);
      sum += weights[4 * o + k];
    }
    for (let k = 0; k < 4; k++) weights[4 * o + k] /= sum;
  }
  return { indices, weights };
}

// Whole numbers are rounded, halves away from zero, and clipped after each axis.
function store(most) {
  if (most === null) return (value) => value;
  return (value) =>
    Math.min(most[1], Math.max(most[0], Math.sign(value) * Math.floor(Math.abs(value) + 0.5)));
}

const LIMITS = {
  Uint8Array: [0, 255], Int8Array: [-128, 127], Uint16Array: [0, 65535],
  Int16Array: [-32768, 32767], Uint32Array: [0, 4294967295],
  Int32Array: [-2147483648, 2147483647],
};

export function enlarged(plane, width, height) {
  const { values, channels } = plane;
  const keep = store(LIMITS[values.constructor.name] ?? null);
  const line = plane.width * channels;
  const down = taps(plane.height, height), across = taps(plane.width, width);
  const tall = new values.constructor(height * line);
  for (let y = 0; y < height; y++) {
    const [a, b, c, d] = down.indices.subarray(4 * y, 4 * y + 4);
    const [p, q, r, s] = down.weights.subarray(4 * y, 4 * y + 4);
    for (let i = 0; i < line; i++) {
      tall[y * line + i] = keep(p * values[a * line + i] + q * values[b * line + i]
        + r * values[c * line + i] + s * values[d * line + i]);
    }
  }
  const made = new values.constructor(height * width * channels);
  for (let x = 0; x < width; x++) {
    const [a, b, c, d] = across.indices.subarray(4 * x, 4 * x + 4);
    const [p, q, r, s] = across.weights.subarray(4 * x, 4 * x + 4);
    for (let y = 0; y < height; y++) {
      const from = y * line, to = (y * width + x) * channels;
      for (let k = 0; k < channels; k++) {
        made[to + k] = keep(p * tall[from + a * channels + k]
          + q * tall[from + b * channels + k] + r * tall[from + c * channels + k]
          + s * tall[from + d * channels + k]);
      }
    }
  }
  return { values: made, width, height, channels };
}
