/** How lines are told apart: by colour, and by dashes for those who do not see colours as others do. */

export interface Look {
  colour: string;
  dash: readonly number[];
}

// Eight colours that stay apart in every common form of colour blindness, on white and on black.
const LIGHT = ["#0072b2", "#d55e00", "#009e73", "#a64d8f", "#56a0d3", "#b8860b", "#5b4ea8", "#c2185b"];
const DARK = ["#4da3e0", "#ff8a3d", "#2fc89b", "#dd8fc8", "#8fd0ff", "#e6b93f", "#a79bf0", "#ff6f9f"];
const DASHES: readonly (readonly number[])[] = [[], [6, 3], [2, 2.5], [9, 3, 2, 3]];

export function look(index: number, dark: boolean, chosen?: string): Look {
  const colours = dark ? DARK : LIGHT;
  const at = index % colours.length;
  const round = Math.floor(index / colours.length) % DASHES.length;
  return { colour: chosen ?? colours[at] ?? "#888888", dash: DASHES[round] ?? [] };
}

export function choices(dark: boolean): readonly string[] {
  return dark ? DARK : LIGHT;
}
