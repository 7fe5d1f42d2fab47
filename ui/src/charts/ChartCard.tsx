/** A chart with its title, what it stands for, and what can be done with it. */
import { ActionIcon, Menu, Tooltip } from "@mantine/core";
import { memo, type ReactNode, useCallback, useMemo, useSyncExternalStore } from "react";
import { count, short, things } from "../format/numbers";
import { Icon } from "../shell/Icons";
import { LateMenu } from "../shell/LateMenu";
import { Later } from "../shell/Later";
import { Chart } from "./Chart";
import styles from "./ChartCard.module.css";
import type { Format } from "./export";
import { type Drawn, type Picture, picture, SEVERAL, type Settings } from "./lines";
import type { SeriesStore } from "./store";
import { placeText } from "./ticks";
import { useWidth } from "./useWidth";

export interface CardSettings extends Omit<Settings, "scaleX"> {
  x: string;
}

interface Props {
  metric: string;
  title: string;
  /** What it is called where the page has another one of this metric. */
  label?: string;
  store: SeriesStore;
  runs: readonly Drawn[];
  settings: CardSettings;
  onZoom: (range: [number, number] | null) => void;
  onOpen: (run: string) => void;
  onFull?: ((metric: string) => void) | undefined;
  height: number;
  /** What else can be done with it. */
  menu?: ReactNode;
}

/** As wide as a small button of the component library. */
const ACTION_PX = 22;

export const ChartCard = memo(function ChartCard(props: Props) {
  const { metric, title, store, runs, settings, onZoom, onOpen, onFull, height, menu } = props;
  const [ref, width] = useWidth<HTMLDivElement>();
  const curves = useSyncExternalStore(
    useCallback((ear) => store.subscribe(metric, ear), [store, metric]),
    () => store.curves(metric, settings.x),
  );
  const xKind = settings.x === "_time" ? "time" : settings.x === "_runtime" ? "seconds" : "number";
  const scaleX = xKind === "time" ? 1e6 : 1;
  const drawing = useMemo(() => picture(curves, runs, { ...settings, scaleX }), [curves, runs, settings, scaleX]);
  const zoom = useCallback(
    (range: [number, number] | null) => onZoom(range && [range[0] * scaleX, range[1] * scaleX]),
    [onZoom, scaleX],
  );
  const ready = drawing.lines.length > 0;
  return (
    <section className={styles.card} aria-label={props.label ?? metric} data-chart={metric}>
      <header className={styles.head}>
        <h3 className={styles.title} title={metric}>
          {title}
        </h3>
        <Note drawing={drawing} xKind={xKind} />
        <Later room={<span style={{ width: ACTION_PX * (1 + Number(Boolean(onFull)) + Number(Boolean(menu))) }} />}>
          {() => (
            <Actions metric={metric} settings={settings} xKind={xKind} drawing={drawing} onFull={onFull} menu={menu} />
          )}
        </Later>
      </header>
      <div ref={ref} className={styles.body} style={{ height }}>
        {ready && width > 130 ? (
          <Chart
            picture={drawing}
            title={metric}
            width={Math.floor(width)}
            height={height}
            xKind={xKind}
            logX={settings.logX}
            logY={settings.logY}
            onZoom={zoom}
            onOpen={onOpen}
          />
        ) : (
          <Waiting store={store} metric={metric} x={settings.x} runs={runs} />
        )}
      </div>
    </section>
  );
});

function Waiting({ store, metric, x, runs }: Pick<Props, "store" | "metric" | "runs"> & { x: string }) {
  const curves = store.curves(metric, x);
  const answered = runs.length > 0 && runs.every((run) => curves.has(run.id));
  return <div className={styles.waiting}>{answered ? "No points here for the runs that are drawn" : ""}</div>;
}

/** How many points the lines stand for, and what is not on the picture. */
export function Note({ drawing, xKind }: { drawing: Picture; xKind: "number" | "time" | "seconds" }) {
  const { total, drawn, clipped, marks } = drawing;
  if (!total) return null;
  const notes = [things(total, "point")];
  if (drawn < total) notes.push(`${drawn.toLocaleString("en")} drawn: the smallest and largest of each pixel`);
  for (const kind of ["NaN", "+Inf", "-Inf"] as const) {
    const number = marks.filter((mark) => mark.kind === kind).length;
    if (number) notes.push(`${number} × ${kind}, marked`);
  }
  const how = manner(drawing);
  const points = <span className={styles.note}>{total === 1 ? "1 pt" : `${count(total)} pts`}</span>;
  const beyond = [clipped.high, clipped.low].filter((point) => point !== null);
  return (
    <>
      {how && (
        <Tooltip label={how.about} multiline w={280}>
          <span className={styles.note}>{how.short}</span>
        </Tooltip>
      )}
      {clipped.count > 0 && (
        <Tooltip
          label={`Left out: ${beyond.map((point) => `${short(point.value)} at ${placeText(point.x, xKind)}`).join(", ")}`}
        >
          <span className={styles.clipped}>{count(clipped.count)} clipped</span>
        </Tooltip>
      )}
      {marks.length > 0 && <span className={styles.marked}>{marks.length} NaN/Inf</span>}
      <Later room={points}>{() => <Tooltip label={notes.join(" · ")}>{points}</Tooltip>}</Later>
    </>
  );
}

/** How lines are drawn that are too many to be told apart. */
function manner({ lines, spread }: Picture): { short: string; about: string } | null {
  const many = lines.length.toLocaleString("en");
  if (spread) {
    const about = `${many} lines as bands: the median, the middle half, eight tenths, and every extreme. Point to see one line.`;
    return { short: `bands of ${many}`, about };
  }
  if (lines.length <= SEVERAL) return null;
  return {
    short: `${many} lines`,
    about: `${many} lines, too many to be told apart: the one under the pointer is marked.`,
  };
}

type ActionsProps = Pick<Props, "metric" | "settings" | "onFull" | "menu"> & {
  drawing: Picture;
  xKind: "number" | "time" | "seconds";
};

export function Actions({ metric, settings, xKind, onFull, drawing, menu }: ActionsProps) {
  const keep = (format: Format) => async () => {
    const { save } = await import("./export");
    const { logX, logY } = settings;
    await save(format, { title: metric, picture: drawing, logX, logY, xName: settings.x, xKind });
  };
  return (
    <span className={styles.actions}>
      {onFull && (
        <ActionIcon
          variant="subtle"
          color="gray"
          size="sm"
          aria-label={`Show ${metric} large`}
          onClick={() => onFull(metric)}
        >
          <Icon name="expand" size={13} />
        </ActionIcon>
      )}
      <LateMenu
        label={`Save ${metric}`}
        position="bottom-end"
        button={(given) => (
          <ActionIcon variant="subtle" color="gray" size="sm" {...given}>
            <Icon name="download" size={13} />
          </ActionIcon>
        )}
        content={() => (
          <Menu.Dropdown>
            <Menu.Item onClick={keep("png")}>Picture (PNG)</Menu.Item>
            <Menu.Item onClick={keep("svg")}>Drawing (SVG)</Menu.Item>
            <Menu.Item onClick={keep("csv")}>Numbers (CSV)</Menu.Item>
          </Menu.Dropdown>
        )}
      />
      {menu}
    </span>
  );
}
