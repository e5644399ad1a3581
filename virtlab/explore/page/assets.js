// How does the page get at the data that came with it? As base64 of raw-deflated bytes, in scripts:
// a page opened from a file may load a script and may not fetch. A browser inflates by itself.

export function fromBase64(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let place = 0; place < bytes.length; place += 1) bytes[place] = characters.charCodeAt(place);
  return bytes;
}

// The bytes behind a text of base64 of raw-deflated bytes.
export async function inflate(text) {
  const stream = new Blob([fromBase64(text)]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// A WebAssembly module among the assets, as { bytes, manifest } for wasm.js.
export async function wasmModule(assets, name) {
  const asset = assets[name];
  if (!asset) throw new Error(`the page did not load ${name}`);
  return { bytes: await inflate(asset.data), manifest: asset.manifest };
}
