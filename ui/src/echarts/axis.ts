/** Axes of ECharts with the page's looks. Ticks are where they can be read, whatever the axis holds. */
import type { Colours } from "./colours";

export interface AxisWish {
  name?: string;
  low: number;
  high: number;
  ticks: readonly number[];
  text: (place: number) => string;
  /** Pixels that a label may take. */
  width?: number;
}

export function axisOption(wish: AxisWish, colours: Colours): Record<string, unknown> {
  const { name, low, high, ticks, text, width } = wish;
  return {
    type: "value",
    min: low,
    max: high,
    name: name ?? "",
    nameLocation: "middle",
    nameTextStyle: { color: colours.dim, fontSize: 12, fontFamily: colours.font },
    axisLabel: {
      customValues: [...ticks],
      formatter: text,
      color: colours.dim,
      fontSize: 11,
      fontFamily: colours.font,
      hideOverlap: true,
      ...(width ? { width, overflow: "truncate" } : {}),
    },
    axisTick: { show: false, customValues: [...ticks] },
    axisLine: { show: false },
    splitLine: { lineStyle: { color: colours.grid } },
  };
}
