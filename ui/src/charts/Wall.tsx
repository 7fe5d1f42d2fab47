/** The wall of charts: sections from the first parts of keys, and only what is on the screen is asked for. */
import { UnstyledButton, VisuallyHidden } from "@mantine/core";
import { type PointerEvent, type ReactNode, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { type Panel, titleOf } from "../panels/panel";
import { Icon } from "../shell/Icons";
import { arranged, moved, type Own } from "../state/wall";
import { type Drop, startMove } from "./arrange";
import { type CardSettings, ChartCard } from "./ChartCard";
import { LIKELY } from "./first";
import type { Drawn } from "./lines";
import { type Section, sections } from "./sections";
import type { SeriesStore } from "./store";
import { Grip, sizeOf, Tile, TileMenu, type TileSize } from "./Tile";
import { useSeen } from "./useSeen";
import { useWidth } from "./useWidth";
import styles from "./Wall.module.css";

export interface WallMetric {
  key: string;
  /** X axis of its own; null for the step. */
  x: string | null;
}

/** How a wall is arranged; part of a page's view. */
export interface Arrangement {
  top: readonly string[];
  without: ReadonlySet<string>;
  places: ReadonlyMap<string, number>;
  sections: ReadonlyMap<string, number>;
  own: ReadonlyMap<string, Own>;
  panels: readonly Panel[];
}

export interface Arranging {
  now: Arrangement;
  set: (patch: Partial<Arrangement>) => void;
  /** Open what sets one chart or panel. */
  onSettings: (name: string) => void;
  panel: (panel: Panel, height: number, menu: ReactNode) => ReactNode;
}

interface Props {
  metrics: readonly WallMetric[];
  runs: readonly Drawn[];
  store: SeriesStore;
  settings: Omit<CardSettings, "x">;
  /** X axis for all; "" for each metric's own. */
  x: string;
  folded: ReadonlySet<string>;
  onFold: (section: string) => void;
  onZoom: (range: [number, number] | null) => void;
  onOpen: (run: string) => void;
  onFull?: ((metric: string) => void) | undefined;
  /** Metrics on the screen, with their x axes, and the panels there. */
  onShown: (keys: ReadonlyMap<string, string>, panels: ReadonlySet<string>) => void;
  /** Without it charts stay where they are. */
  arranging?: Arranging | undefined;
}

const FIXED: Arrangement = {
  top: [],
  without: new Set(),
  places: new Map(),
  sections: new Map(),
  own: new Map(),
  panels: [],
};
const TOP = ":top";
const PANELS = ":panels";
const COLUMN_PX = 310;

/** The name of a panel's place on the wall. */
export const tileOf = (panel: Panel) => `:${panel.id}`;

/** What a chart is drawn with: as all, but for what it has of its own. */
export function ownSettings(settings: Omit<CardSettings, "x">, own: Own | undefined, x: string): CardSettings {
  if (!own) return { ...settings, x };
  return {
    ...settings,
    x,
    smoothing: own.smooth ?? settings.smoothing,
    logX: own.logX ?? settings.logX,
    logY: own.logY ?? settings.logY,
    clip: own.clip ?? settings.clip,
    many: own.many ?? settings.many ?? "auto",
    yEnds: own.y,
    // A range of another axis says nothing here.
    ...(own.x ? { start: undefined, stop: undefined } : {}),
  };
}

export function Wall(props: Props) {
  const { metrics, onShown, x, folded, arranging } = props;
  const now = arranging?.now ?? FIXED;
  const [ref, width] = useWidth<HTMLDivElement>();
  const columns = Math.max(1, Math.floor((width + 10) / COLUMN_PX));
  const found = useMemo(() => partsOf(metrics, now), [metrics, now]);
  const axis = useMemo(
    () => new Map(metrics.map(({ key, x: own }) => [key, now.own.get(key)?.x || x || own || "_step"])),
    [metrics, x, now.own],
  );
  const [seen, see] = useSeen();
  const open = useMemo(
    () => new Set(found.filter((section) => !folded.has(section.name)).flatMap((section) => section.keys)),
    [found, folded],
  );
  // Until the browser says what is on the screen it is taken to be the first ones: their curves are asked for sooner.
  const shown = useMemo(() => (seen.size ? seen : new Set([...open].slice(0, LIKELY))), [seen, open]);
  useEffect(() => {
    const names = [...shown].filter((name) => open.has(name));
    const keys = names.filter((name) => axis.has(name));
    onShown(
      new Map(keys.map((key) => [key, axis.get(key) ?? "_step"])),
      new Set(names.filter((key) => !axis.has(key))),
    );
  }, [shown, axis, open, onShown]);
  const list = useRef<HTMLDivElement>(null);
  const [said, say] = useState("");
  const names = found.map((section) => section.name);
  const moveSection = (name: string, index: number) => {
    arranging?.set({ sections: moved(names, name, index, now.sections) });
    say(`Section ${Math.min(Math.max(index, 0), names.length - 1) + 1} of ${names.length}`);
  };
  const drop = useDrop(names, moveSection);
  return (
    <div className={styles.wall}>
      <div ref={ref} />
      <div ref={list}>
        {found.map((section, at) => (
          <Part
            key={section.name}
            {...props}
            section={section}
            axis={axis}
            see={see}
            shown={shown}
            columns={columns}
            say={say}
            dropping={drop.on(section.name)}
            onMoveStart={(event) =>
              list.current &&
              startMove(event, {
                root: list.current,
                selector: ":scope > section",
                vertical: true,
                ...drop.ears(section.name),
              })
            }
            onStep={(by) => moveSection(section.name, at + by)}
          />
        ))}
      </div>
      <VisuallyHidden role="status">{said}</VisuallyHidden>
    </div>
  );
}

/** The sections of a wall in their order: what is pinned, panels, and metrics by the first parts of their names. */
function partsOf(metrics: readonly WallMetric[], now: Arrangement): Section[] {
  const all = metrics.map((metric) => metric.key);
  const known = new Set(all);
  const tops = now.top.filter((key) => known.has(key) && !now.without.has(key));
  const away = new Set([...now.without, ...tops]);
  const natural = sections(all.filter((key) => !away.has(key)));
  const titles = new Map(now.panels.map((panel) => [tileOf(panel), titleOf(panel)]));
  const first: Section[] = [];
  if (tops.length) first.push({ name: TOP, title: "Pinned", keys: tops, short: (key) => key });
  if (titles.size) {
    first.push({ name: PANELS, title: "Panels", keys: [...titles.keys()], short: (name) => titles.get(name) ?? name });
  }
  const parts = arranged([...first, ...natural], (section) => section.name, now.sections);
  return parts.map((part) => ({ ...part, keys: arranged(part.keys, (key) => key, now.places) }));
}

/** Where something that is being moved would go, and what it does when it is let go. */
function useDrop(names: readonly string[], onMove: (name: string, index: number) => void) {
  const [drop, setDrop] = useState<{ from: string; to: Drop } | null>(null);
  return {
    on: (name: string): "before" | "after" | "away" | undefined => {
      if (drop?.from === name) return "away";
      if (drop?.to.name !== name) return undefined;
      return drop.to.after ? "after" : "before";
    },
    ears: (from: string) => ({
      onOver: (to: Drop | null) => setDrop(to && { from, to }),
      onDrop: (to: Drop) => {
        const rest = names.filter((name) => name !== from);
        const at = rest.indexOf(to.name);
        if (at >= 0) onMove(from, at + (to.after ? 1 : 0));
      },
    }),
  };
}

interface PartProps extends Props {
  section: Section;
  axis: ReadonlyMap<string, string>;
  see: (element: HTMLElement | null, key: string) => void;
  shown: ReadonlySet<string>;
  columns: number;
  say: (text: string) => void;
  dropping: "before" | "after" | "away" | undefined;
  onMoveStart: (event: PointerEvent<HTMLElement>) => void;
  onStep: (by: number) => void;
}

function Part({ section, axis, see, shown, columns, say, dropping, onMoveStart, onStep, ...props }: PartProps) {
  const { arranging } = props;
  const isFolded = props.folded.has(section.name);
  const grid = useRef<HTMLDivElement>(null);
  const refocus = useRef<string | null>(null);
  const { keys } = section;
  // The moved element is put elsewhere in the page, and loses the focus by it.
  // biome-ignore lint/correctness/useExhaustiveDependencies: whenever the order is another one
  useEffect(() => {
    const name = refocus.current;
    refocus.current = null;
    if (name !== null)
      grid.current?.querySelector<HTMLElement>(`[data-tile="${CSS.escape(name)}"] [data-grip]`)?.focus();
  }, [keys]);
  const move = (name: string, index: number) => {
    const now = arranging?.now;
    if (!now) return;
    if (section.name === TOP) arranging.set({ top: reordered(now.top, keys, name, index) });
    else arranging.set({ places: moved(keys, name, index, now.places) });
    say(`${section.short(name)}: ${Math.min(Math.max(index, 0), keys.length - 1) + 1} of ${keys.length}`);
  };
  const drop = useDrop(keys, move);
  const onSize = useCallback(
    (name: string, { w, h }: TileSize) => arranging?.set({ own: changed(arranging.now.own, name, { w, h }) }),
    [arranging],
  );
  const gripOf = (name: string, at: number) =>
    arranging && (
      <Grip
        label={section.short(name)}
        onPointerDown={(event) =>
          grid.current && startMove(event, { root: grid.current, selector: "[data-tile]", ...drop.ears(name) })
        }
        onStep={(by) => {
          refocus.current = name;
          move(name, at + by);
        }}
      />
    );
  return (
    <section
      className={`${styles.section} ${dropping ? styles[`${dropping}Below`] : ""}`}
      aria-label={`Section ${section.title}`}
      data-tile={section.name}
    >
      <div className={styles.title}>
        {arranging && <Grip label={`section ${section.title}`} vertical onPointerDown={onMoveStart} onStep={onStep} />}
        <h2 className={styles.heading}>
          <UnstyledButton className={styles.fold} aria-expanded={!isFolded} onClick={() => props.onFold(section.name)}>
            <Icon name={isFolded ? "chevronRight" : "chevronDown"} size={14} />
            <span className={styles.name}>{section.title}</span>
            <span className={styles.count}>{section.keys.length}</span>
          </UnstyledButton>
        </h2>
      </div>
      {!isFolded && (
        <div ref={grid} className={styles.grid}>
          {keys.map((name, at) => (
            <Tile
              key={name}
              name={name}
              label={section.short(name)}
              size={sizeOf(name, arranging?.now.own.get(name))}
              columns={columns}
              see={see}
              onSize={onSize}
              fixed={!arranging}
              grip={gripOf(name, at)}
              dropping={drop.on(name)}
            >
              {(height) =>
                shown.has(name) && (
                  <Content
                    {...props}
                    name={name}
                    title={section.short(name)}
                    x={axis.get(name) ?? ""}
                    height={height}
                    columns={columns}
                  />
                )
              }
            </Tile>
          ))}
        </div>
      )}
    </section>
  );
}

/** Pinned charts have their order in the list of them. */
function reordered(all: readonly string[], shown: readonly string[], name: string, index: number): string[] {
  const rest = shown.filter((key) => key !== name);
  rest.splice(Math.max(0, Math.min(index, rest.length)), 0, name);
  return [...rest, ...all.filter((key) => !shown.includes(key))];
}

/** What charts have of their own, one of them changed. */
export function changed(own: ReadonlyMap<string, Own>, name: string, patch: Own): Map<string, Own> {
  const out = new Map(own);
  const { w, h, ...rest } = { ...own.get(name), ...patch };
  const { w: oneWide, h: usual } = sizeOf(name, undefined);
  out.set(name, { ...rest, ...(w && w !== oneWide ? { w } : {}), ...(h && h !== usual ? { h } : {}) });
  if (!Object.keys(out.get(name) ?? {}).length) out.delete(name);
  return out;
}

type ContentProps = Omit<Props, "metrics" | "onShown" | "folded" | "onFold"> & {
  name: string;
  title: string;
  height: number;
  columns: number;
};

function Content({
  name,
  title,
  x,
  height,
  columns,
  arranging,
  settings,
  store,
  runs,
  onZoom,
  onOpen,
  onFull,
}: ContentProps) {
  const one = arranging?.now.own.get(name);
  const own = useMemo(() => ownSettings(settings, one, x), [settings, one, x]);
  const menu = useMemo(
    () => arranging && <Menu name={name} title={title} columns={columns} arranging={arranging} />,
    [arranging, name, title, columns],
  );
  const panel = arranging?.now.panels.find((each) => tileOf(each) === name);
  if (panel && arranging) return arranging.panel(panel, height, menu);
  return (
    <ChartCard
      metric={name}
      title={title}
      store={store}
      runs={runs}
      settings={own}
      onZoom={onZoom}
      onOpen={onOpen}
      onFull={onFull}
      height={height}
      menu={menu}
    />
  );
}

function Menu({
  name,
  title,
  columns,
  arranging,
}: {
  name: string;
  title: string;
  columns: number;
  arranging: Arranging;
}) {
  const { now, set, onSettings } = arranging;
  const isPanel = now.panels.some((panel) => tileOf(panel) === name);
  const pinned = now.top.includes(name);
  const wide = sizeOf(name, now.own.get(name)).w > 1;
  const pin = () => set({ top: pinned ? now.top.filter((key) => key !== name) : [...now.top, name] });
  const remove = () => set({ panels: now.panels.filter((panel) => tileOf(panel) !== name) });
  return (
    <TileMenu
      label={isPanel ? title : name}
      onSettings={() => onSettings(name)}
      pinned={pinned}
      onPin={isPanel ? undefined : pin}
      hide={isPanel ? "Remove" : "Hide"}
      onHide={isPanel ? remove : () => set({ without: new Set([...now.without, name]) })}
      wide={wide}
      onWide={() =>
        set({ own: changed(now.own, name, wide ? { w: 1, h: sizeOf(name, undefined).h } : { w: columns, h: 320 }) })
      }
    />
  );
}
