// Colours: of loudness, dark paper or light; and of labels, told apart also by those who see fewer colours.

// From silence to full scale. By night a lamp that warms up, by day ink on paper.
const RAMPS = {
  dark: ["#0b1013", "#0f2229", "#123c44", "#17605f", "#3f8a6b", "#9bae62", "#e3b65c", "#f6d79b", "#fff6e3"],
  light: ["#fbf9f3", "#e9ebe2", "#c8d9d2", "#96bfbb", "#5d9ba1", "#367488", "#274d6b", "#1f2c4b", "#14142a"],
};

const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

/** 256 colours as RGBA, for levels from silence to full scale. */
export function ramp(theme) {
  const stops = RAMPS[theme].map(rgb);
  const table = new Uint32Array(256);
  const bytes = new Uint8ClampedArray(table.buffer);
  for (let level = 0; level < 256; level++) {
    const place = (level / 255) * (stops.length - 1), first = Math.min(Math.floor(place), stops.length - 2);
    for (let part = 0; part < 3; part++) {
      bytes[4 * level + part] = stops[first][part] + (place - first) * (stops[first + 1][part] - stops[first][part]);
    }
    bytes[4 * level + 3] = 255;
  }
  return table;
}


const HUES = {
  dark: ["#f2b84b", "#5cc8b2", "#e88a8a", "#8ab6f9", "#c9a0e8", "#a8cf6a", "#f29e5c", "#6fd0e8", "#e59ac2", "#d6c68a",
    "#84d49a", "#b3a8f0"],
  light: ["#a86a00", "#0b6e5f", "#b23a48", "#2a5db0", "#7a4aa5", "#557a10", "#b3561a", "#0c7490", "#a03a78", "#7c6a1e",
    "#2d7d46", "#5148a8"],
};

/** The colour of the label at a place in its model's list. */
export const hue = (theme, place) => HUES[theme][place % HUES[theme].length];

/** The theme that is shown: chosen, or else what the system says. */
export function theme() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

/** A colour of the page's style sheet. */
export const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
