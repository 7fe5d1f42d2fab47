/** Scatter, bars, boxes and parallel coordinates: drawn from columns over runs. */
import { ActionIcon, Button } from "@mantine/core";
import type { EChartsCoreOption } from "echarts/core";
import { type ReactNode, useCallback, useMemo, useState } from "react";
import { asText } from "../api/values";
import { table } from "../charts/export";
import { Icon } from "../shell/Icons";
import { EChart } from "./EChart";
import { bar, box, type Colours, MOST_GROUPS, parallel, scatter } from "./options";
import styles from "./Panel.module.css";
import { type BodyProps, Nothing } from "./PanelCard";
import { type Panel, titleOf } from "./panel";
import { column, groupsOf, nameOfField, useValues, type Values } from "./values";

const DRAW = { scatter, bar, box, parallel };

export function OverRuns({ panel, height, scope, saving }: BodyProps) {
  const fields = fieldsOf(panel);
  const { data, error } = useValues(scope, fields);
  const [chosen, setChosen] = useState<number[] | null>(null);
  const [page, setPage] = useState(0);
  const groups = useMemo(() => (data && panel.by ? countGroups(panel, data) : 0), [panel, data]);
  // Runs that come and go may leave fewer groups than there were.
  const from = Math.min(page, Math.max(0, Math.ceil(groups / MOST_GROUPS) - 1)) * MOST_GROUPS;
  const option = useCallback(
    (colours: Colours): EChartsCoreOption =>
      data ? DRAW[panel.kind as keyof typeof DRAW](panel, data, colours, from) : {},
    [panel, data, from],
  );
  if (error && !data) return <Nothing>{error.message}</Nothing>;
  if (!data) return null;
  const lacking = fields.filter((field) => column(data, field).data.every((value) => value === null));
  if (lacking.length) {
    return <Nothing>No run of the table has {lacking.map(nameOfField).join(" and ")} as something to draw.</Nothing>;
  }
  saving.current.csv = () => csvOf(data, fields);
  const note: ReactNode[] = [notes(panel, data)].filter(Boolean);
  if (groups > MOST_GROUPS) {
    note.push(<Pages key="pages" from={from} total={groups} onTurn={(by) => setPage(from / MOST_GROUPS + by)} />);
  }
  const bottom = note.length || chosen ? 20 : 0;
  return (
    <>
      <EChart
        label={`${titleOf(panel)}: ${data.ids.length} runs`}
        height={height - bottom}
        option={option}
        saving={saving}
        onOpen={scope.onOpen}
        onChoose={panel.kind === "parallel" ? setChosen : undefined}
      />
      <div className={styles.foot}>
        {chosen ? <Chosen ids={chosen.map((at) => data.ids[at] ?? "")} total={data.ids.length} scope={scope} /> : note}
      </div>
    </>
  );
}

function countGroups(panel: Panel, values: Values): number {
  return groupsOf(column(values, panel.by ?? ""), column(values, panel.y ?? "")).length;
}

/** Which groups are shown, and the way to the others. */
function Pages({ from, total, onTurn }: { from: number; total: number; onTurn: (by: 1 | -1) => void }) {
  const to = Math.min(from + MOST_GROUPS, total);
  const turn = (by: 1 | -1, label: string, icon: "chevronLeft" | "chevronRight", disabled: boolean) => (
    <ActionIcon
      variant="subtle"
      color="gray"
      size="xs"
      aria-label={label}
      disabled={disabled}
      onClick={() => onTurn(by)}
    >
      <Icon name={icon} size={12} />
    </ActionIcon>
  );
  return (
    <span className={styles.pages}>
      {turn(-1, "Groups before", "chevronLeft", from === 0)}
      groups {from + 1}–{to} of {total}
      {turn(1, "Groups after", "chevronRight", to === total)}
    </span>
  );
}

function fieldsOf(panel: Panel): string[] {
  return [panel.x, panel.y, panel.by, panel.colour, ...(panel.columns ?? [])].filter((field) => field !== undefined);
}

const MOST_IDS = 300;

/** The runs that were chosen along the axes. */
function Chosen({ ids, total, scope }: { ids: string[]; total: number } & Pick<BodyProps, "scope">) {
  const filter = `id in (${ids.map((id) => `'${id.replace(/['\\]/g, "\\$&")}'`).join(", ")})`;
  return (
    <>
      {ids.length} of {total} runs chosen
      {ids.length > 0 && ids.length <= MOST_IDS && (
        <Button size="compact-xs" variant="subtle" onClick={() => scope.setView({ filter })}>
          Only these in the table
        </Button>
      )}
    </>
  );
}

/** What is not on the picture. */
function notes(panel: Panel, values: Values): string {
  const found: string[] = [];
  if (values.total > values.ids.length) found.push(`the newest ${values.ids.length} of ${values.total} runs`);
  const needed = [panel.x, panel.y].filter((field) => field !== undefined).map((field) => column(values, field));
  const logs = [panel.logX, panel.x === undefined ? undefined : panel.logY];
  const without = values.ids.filter((_, at) =>
    needed.some(({ data }, i) => {
      const value = data[at] ?? null;
      return value === null || (logs[i] && typeof value === "number" && value <= 0);
    }),
  ).length;
  if (without) found.push(`${without} ${without === 1 ? "run has" : "runs have"} no place here`);
  return found.join(" · ");
}

function csvOf(values: Values, fields: readonly string[]): string {
  const text = (field: string, at: number) => asText(values.columns[field]?.[at] ?? undefined);
  return table([
    ["id", "name", ...fields],
    ...values.ids.map((id, at) => [id, values.names[at] ?? "", ...fields.map((field) => text(field, at))]),
  ]);
}
