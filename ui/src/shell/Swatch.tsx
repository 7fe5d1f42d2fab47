/** How a run's lines look, as a short piece of one. */
import type { Look } from "../charts/palette";

export function Swatch({ look }: { look: Look | undefined }) {
  return (
    <svg width={18} height={10} aria-hidden="true">
      <path
        d="M1 5h16"
        stroke={look?.colour ?? "currentColor"}
        strokeOpacity={look ? 1 : 0.25}
        strokeWidth={3}
        strokeDasharray={look?.dash.join(" ")}
      />
    </svg>
  );
}
