/** Choosing the columns of the table. */
import { Button, Checkbox, TextInput } from "@mantine/core";
import { useState } from "react";
import { Icon } from "../shell/Icons";
import { ToolPopover } from "../shell/ToolPopover";
import styles from "./ColumnPicker.module.css";
import { columnOf, movedTo, RUN_FIELDS } from "./columns";
import { fieldOf, type ValueColumn } from "./defaults";

interface Props {
  known: readonly ValueColumn[];
  shown: readonly string[];
  onChange: (fields: readonly string[] | null) => void;
}

export function ColumnPicker({ known, shown, onChange }: Props) {
  const [search, setSearch] = useState("");
  const wanted = search.trim().toLowerCase();
  const byField = new Map(known.map((column) => [fieldOf(column), column]));
  const parts: [string, string[]][] = [
    ["Run", RUN_FIELDS],
    ["Parameters", known.filter((column) => column.scope === "config").map(fieldOf)],
    ["Results", known.filter((column) => column.scope === "summary").map(fieldOf)],
  ];
  const toggle = (field: string) =>
    onChange(shown.includes(field) ? shown.filter((one) => one !== field) : [...shown, field]);
  return (
    <ToolPopover icon="columns" tip="Columns" position="bottom-start" className={styles.box}>
      <TextInput
        size="xs"
        placeholder="Find a column"
        aria-label="Find a column"
        value={search}
        onChange={(event) => setSearch(event.currentTarget.value)}
      />
      <div className={styles.list}>
        {!wanted && <Order shown={shown} byField={byField} onChange={onChange} />}
        {parts.map(([title, fields]) => {
          const found = fields.filter((field) => field.toLowerCase().includes(wanted)).slice(0, 300);
          return (
            found.length > 0 && (
              <fieldset key={title} className={styles.part}>
                <legend>{title}</legend>
                {found.map((field) => (
                  <Checkbox
                    key={field}
                    size="xs"
                    label={columnOf(field, byField).title}
                    checked={shown.includes(field)}
                    onChange={() => toggle(field)}
                  />
                ))}
              </fieldset>
            )
          );
        })}
      </div>
      <Button size="compact-xs" variant="subtle" onClick={() => onChange(null)}>
        Those that tell runs apart
      </Button>
    </ToolPopover>
  );
}

const DRAGGED = "application/x-treering-shown";

/** Columns that are shown, in their order: dragged, or moved with the arrow keys. */
function Order({
  shown,
  byField,
  onChange,
}: Pick<Props, "shown" | "onChange"> & { byField: Map<string, ValueColumn> }) {
  return (
    <fieldset className={styles.part}>
      <legend>Shown, in this order (drag, or arrow keys)</legend>
      {shown.map((field, i) => {
        const move = (to: number) => {
          const place = shown[Math.min(Math.max(to, 0), shown.length - 1)];
          if (place !== undefined) onChange(movedTo(shown, field, place));
        };
        return (
          <button
            key={field}
            type="button"
            className={styles.shown}
            draggable
            aria-label={`${field}, ${i + 1} of ${shown.length}; arrow keys move it`}
            onDragStart={(event) => event.dataTransfer.setData(DRAGGED, field)}
            onDragOver={(event) => {
              if (event.dataTransfer.types.includes(DRAGGED)) event.preventDefault();
            }}
            onDrop={(event) => {
              const dropped = event.dataTransfer.getData(DRAGGED);
              if (dropped) onChange(movedTo(shown, dropped, field));
            }}
            onKeyDown={(event) => {
              const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
              if (!by) return;
              event.preventDefault();
              move(i + by);
            }}
          >
            <Icon name="grip" size={13} />
            <span className="cut">{columnOf(field, byField).title}</span>
          </button>
        );
      })}
    </fieldset>
  );
}
