/** By which fields runs are grouped, in order, and what is shown of each group. */
import { ActionIcon, Button, Select } from "@mantine/core";
import { Icon } from "../shell/Icons";
import { ToolPopover } from "../shell/ToolPopover";
import type { SetView, Statistic, View } from "../state/view";
import { MOST_GROUPED, movedTo } from "./columns";
import { fieldOf, type ValueColumn } from "./defaults";
import styles from "./GroupPicker.module.css";

const STATISTICS: { value: Statistic; label: string }[] = [
  { value: "mean", label: "Mean ± standard deviation" },
  { value: "min", label: "Smallest" },
  { value: "max", label: "Largest" },
  { value: "std", label: "Standard deviation" },
  { value: "count", label: "Number of runs that have it" },
];

interface Props {
  known: readonly ValueColumn[];
  view: View;
  setView: SetView;
}

export function GroupPicker({ known, view, setView }: Props) {
  const { group } = view;
  const fields = known.filter((column) => column.scope === "config" && column.differs).map(fieldOf);
  const others = known.filter((column) => !(column.scope === "config" && column.differs)).map(fieldOf);
  const offered = [...fields, "state", "group", "job_type", ...others].filter((field) => !group.includes(field));
  const change = (next: readonly string[]) => setView({ group: next, open: new Set() });
  return (
    <ToolPopover
      icon="group"
      tip="Group runs"
      label={group.length ? `Grouped by ${group.join(", ")}` : "Group runs"}
      isSet={group.length > 0}
      position="bottom-start"
      className={styles.box}
    >
      <ol className={styles.list}>
        {group.map((field, i) => (
          <li key={field} className={styles.field}>
            <span className="cut" title={field}>
              {field.replace(/^(config|summary)\./, "")}
            </span>
            <ActionIcon
              variant="subtle"
              color="gray"
              size="sm"
              aria-label={`Group by ${field} further outside`}
              disabled={i === 0}
              onClick={() => change(movedTo(group, field, group[i - 1] ?? field))}
            >
              <Icon name="up" size={13} />
            </ActionIcon>
            <ActionIcon
              variant="subtle"
              color="gray"
              size="sm"
              aria-label={`Do not group by ${field}`}
              onClick={() => change(group.filter((one) => one !== field))}
            >
              <Icon name="close" size={13} />
            </ActionIcon>
          </li>
        ))}
      </ol>
      <Select
        aria-label="Group by"
        placeholder={group.length ? "And, in these, by" : "By a parameter"}
        searchable
        limit={200}
        data={offered}
        value={null}
        disabled={group.length >= MOST_GROUPED}
        nothingFoundMessage="No such field"
        comboboxProps={{ withinPortal: false }}
        onChange={(field) => field && change([...group, field])}
      />
      {group.length > 0 && (
        <>
          <Select
            label="Show of each group"
            allowDeselect={false}
            data={STATISTICS}
            value={view.statistic}
            comboboxProps={{ withinPortal: false }}
            onChange={(statistic) => setView({ statistic: statistic as Statistic })}
          />
          <Button size="compact-xs" variant="subtle" onClick={() => change([])}>
            No groups
          </Button>
        </>
      )}
    </ToolPopover>
  );
}
