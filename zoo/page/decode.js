// Values as they are stored, from the blocks of a page (zoo/page/blocks.py writes them).

const ARRAYS = {
  uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, int16: Int16Array,
  uint32: Uint32Array, int32: Int32Array, float32: Float32Array, float64: Float64Array,
};

// The bytes of a block within this page.
export function embedded(number) {
  const text = document.getElementById(`block${number}`).textContent;
  const bytes = new Uint8Array((text.length / 4) * 3);
  const piece = 1 << 20; // characters: atob's own text is then small
  let count = 0;
  for (let start = 0; start < text.length; start += piece) {
    const part = atob(text.slice(start, start + piece));
    for (let i = 0; i < part.length; i++) bytes[count++] = part.charCodeAt(i);
  }
  return bytes.subarray(0, count);
}

async function inflated(bytes) {
  const pipe = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(pipe).arrayBuffer());
}

// Bytes of one place lie together, and numbers of up to 32 bits are differences to the
// one a pixel before.
export async function decode(bytes, dtype, step) {
  const Numbers = ARRAYS[dtype];
  const size = Numbers.BYTES_PER_ELEMENT;
  const plain = await inflated(bytes);
  const count = plain.length / size;
  let whole = plain;
  if (size > 1) {
    whole = new Uint8Array(plain.length);
    for (let place = 0; place < size; place++) {
      const from = place * count;
      for (let i = 0; i < count; i++) whole[i * size + place] = plain[from + i];
    }
  }
  if (size <= 4) {
    const Unsigned = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array }[size];
    const sums = new Unsigned(whole.buffer);
    for (let i = step; i < count; i++) sums[i] += sums[i - step];
  }
  return new Numbers(whole.buffer);
}
