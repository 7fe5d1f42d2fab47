/** A panel's frame: its title, what can be done with it, and what it draws, which is loaded when it is first needed. */
import { ActionIcon, Menu } from "@mantine/core";
import { lazy, type MutableRefObject, type ReactNode, Suspense, useRef } from "react";
import card from "../charts/ChartCard.module.css";
import { Icon } from "../shell/Icons";
import styles from "./Panel.module.css";
import { type Kind, type Panel, SHAPES, titleOf } from "./panel";
import type { PanelScope } from "./scope";

/** How the drawing can be saved; what draws it says so. */
export type Saving = MutableRefObject<{ png?: () => string | Promise<string>; csv?: () => string }>;

export interface BodyProps {
  panel: Panel;
  height: number;
  scope: PanelScope;
  saving: Saving;
}

const OverRuns = lazy(async () => ({ default: (await import("./OverRuns")).OverRuns }));
const Importance = lazy(async () => ({ default: (await import("./Importance")).Importance }));
const Lines = lazy(async () => ({ default: (await import("./Lines")).Lines }));
const Returns = lazy(async () => ({ default: (await import("./Returns")).Returns }));
const OfRun = lazy(async () => ({ default: (await import("./OfRun")).OfRun }));
const Vega = lazy(async () => ({ default: (await import("./Vega")).Vega }));

const BODIES: Record<Kind, typeof OverRuns> = {
  lines: Lines,
  scatter: OverRuns,
  bar: OverRuns,
  box: OverRuns,
  parallel: OverRuns,
  importance: Importance,
  returns: Returns,
  histogram: OfRun,
  confusion: OfRun,
  roc: OfRun,
  pr: OfRun,
  vega: Vega,
};

interface Props {
  panel: Panel;
  height: number;
  menu: ReactNode;
  scope: PanelScope;
  onFull?: () => void;
  /** What it is called where the page has it twice. */
  label?: string;
}

export function PanelCard({ panel, height, menu, scope, onFull, label }: Props) {
  const saving: Saving = useRef({});
  const title = titleOf(panel);
  const Body = BODIES[panel.kind];
  return (
    <section className={card.card} aria-label={label ?? title} data-panel={panel.kind}>
      <header className={card.head}>
        <h3 className={card.title} title={title}>
          {title}
        </h3>
        <span className={card.note}>{SHAPES[panel.kind].title === title ? "" : SHAPES[panel.kind].title}</span>
        <span className={card.actions}>
          {onFull && (
            <ActionIcon variant="subtle" color="gray" size="sm" aria-label={`Show ${title} large`} onClick={onFull}>
              <Icon name="expand" size={13} />
            </ActionIcon>
          )}
          <Save title={title} saving={saving} />
          {menu}
        </span>
      </header>
      <div className={styles.body} style={{ height }}>
        <Suspense fallback={null}>
          <Body panel={panel} height={height} scope={scope} saving={saving} />
        </Suspense>
      </div>
    </section>
  );
}

function Save({ title, saving }: { title: string; saving: Saving }) {
  const name = title.replace(/[^\w.-]+/g, "_");
  const png = async () => {
    const address = await saving.current.png?.();
    if (!address) return;
    const link = document.createElement("a");
    link.href = address;
    link.download = `${name}.png`;
    link.click();
  };
  const csv = async () => {
    const text = saving.current.csv?.();
    const { download } = await import("../charts/export");
    if (text !== undefined) download(`${name}.csv`, new Blob([text], { type: "text/csv" }));
  };
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size="sm" aria-label={`Save ${title}`}>
          <Icon name="download" size={13} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={png}>Picture (PNG)</Menu.Item>
        <Menu.Item onClick={csv}>Numbers (CSV)</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

/** Why there is nothing to see, and what to do about it. */
export function Nothing({ children }: { children: ReactNode }) {
  return <p className={styles.nothing}>{children}</p>;
}
