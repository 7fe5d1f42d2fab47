/** How lines are told apart: by colour, and by dashes for those who do not see colours as others do. */

export interface Look {
  colour: string;
  dash: readonly number[];
}

// Eight colours that stay apart in every common form of colour blindness, on white and on black.
const LIGHT = ["#0072b2", "#d55e00", "#009e73", "#a64d8f", "#56a0d3", "#b8860b", "#5b4ea8", "#c2185b"];
const DARK = ["#4da3e0", "#ff8a3d", "#2fc89b", "#dd8fc8", "#8fd0ff", "#e6b93f", "#a79bf0", "#ff6f9f"];
const DASHES: readonly (readonly number[])[] = [[], [6, 3], [2, 2.5], [9, 3, 2, 3]];

/** Colours to choose from, as they are on white. */
export const CHOICES: readonly string[] = LIGHT;

/**
 * How a line looks.
 *
 * @param index place among the lines.
 * @param chosen colour on white, if somebody has chosen one; one of ours has its counterpart on black.
 */
export function look(index: number, dark: boolean, chosen?: string | null): Look {
  const colours = dark ? DARK : LIGHT;
  const at = index % colours.length;
  const round = Math.floor(index / colours.length) % DASHES.length;
  const own = chosen ? (colours[LIGHT.indexOf(chosen)] ?? chosen) : undefined;
  return { colour: own ?? colours[at] ?? "#888888", dash: DASHES[round] ?? [] };
}
