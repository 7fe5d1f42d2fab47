/** Ranges that were drawn, as words that can be taken away; and the same for those who do not draw with a mouse. */
import { Button, MultiSelect, Popover, Select, TextInput, UnstyledButton } from "@mantine/core";
import { useState } from "react";
import { Icon } from "../../shell/Icons";
import { type Brushes, optionsIn } from "./brush";
import { type Dim, placeOf, textAt } from "./dims";
import styles from "./SweepPage.module.css";

interface Props {
  dims: readonly Dim[];
  brushes: Brushes;
  onBrush: (brushes: Brushes) => void;
  shown: number;
  all: number;
}

export function Filters({ dims, brushes, onBrush, shown, all }: Props) {
  const without = (id: string) => new Map([...brushes].filter(([one]) => one !== id));
  return (
    <div className={styles.filters}>
      <span role="status">{brushes.size ? `${shown} of ${all} trials` : `All ${all} trials`}</span>
      {dims.map((dim) => {
        const range = brushes.get(dim.id);
        if (!range) return null;
        const words = dim.options.length
          ? optionsIn(dim, range).join(" or ")
          : `${textAt(dim, range[0], 3)} to ${textAt(dim, range[1], 3)}`;
        return (
          <span key={dim.id} className={styles.chip}>
            <span className="cut">
              {dim.name}: {words || "none"}
            </span>
            <UnstyledButton aria-label={`Remove the range of ${dim.name}`} onClick={() => onBrush(without(dim.id))}>
              <Icon name="close" size={12} />
            </UnstyledButton>
          </span>
        );
      })}
      <AddRange dims={dims} onAdd={(id, range) => onBrush(new Map([...brushes, [id, range]]))} />
    </div>
  );
}

function AddRange({ dims, onAdd }: { dims: readonly Dim[]; onAdd: (id: string, range: [number, number]) => void }) {
  const [open, setOpen] = useState(false);
  const [id, setId] = useState<string | null>(null);
  const [ends, setEnds] = useState<[string, string]>(["", ""]);
  const [options, setOptions] = useState<string[]>([]);
  const dim = dims.find((one) => one.id === id) ?? dims[0];
  if (!dim) return null;
  const range = dim.options.length ? ofOptions(dim, options) : ofNumbers(dim, ends);
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-start" trapFocus returnFocus width={260}>
      <Popover.Target>
        <Button
          size="compact-xs"
          variant="default"
          leftSection={<Icon name="filter" size={12} />}
          onClick={() => setOpen(!open)}
        >
          Add a range
        </Button>
      </Popover.Target>
      <Popover.Dropdown aria-label="Range of an axis">
        <form
          className={styles.range}
          onSubmit={(event) => {
            event.preventDefault();
            if (!range) return;
            onAdd(dim.id, range);
            setOpen(false);
          }}
        >
          <Select
            label="Axis"
            data={dims.map((one) => ({ value: one.id, label: one.name }))}
            value={dim.id}
            allowDeselect={false}
            comboboxProps={{ withinPortal: false }}
            onChange={(next) => {
              setId(next);
              setEnds(["", ""]);
              setOptions([]);
            }}
          />
          {dim.options.length ? (
            <MultiSelect
              size="xs"
              label="Options, from the first to the last of them"
              data={[...dim.options]}
              value={options}
              comboboxProps={{ withinPortal: false }}
              onChange={setOptions}
            />
          ) : (
            <div className={styles.pair}>
              {(["From", "To"] as const).map((label, at) => (
                <TextInput
                  key={label}
                  size="xs"
                  label={label}
                  inputMode="decimal"
                  placeholder={textAt(dim, at ? dim.high : dim.low)}
                  value={ends[at]}
                  onChange={(event) => {
                    const text = event.currentTarget.value;
                    setEnds(at ? [ends[0], text] : [text, ends[1]]);
                  }}
                />
              ))}
            </div>
          )}
          <Button size="xs" type="submit" disabled={!range}>
            Show these
          </Button>
        </form>
      </Popover.Dropdown>
    </Popover>
  );
}

function ofOptions(dim: Dim, chosen: readonly string[]): [number, number] | null {
  const at = chosen.map((option) => dim.options.indexOf(option)).filter((place) => place >= 0);
  return at.length ? [Math.min(...at) - 0.5, Math.max(...at) + 0.5] : null;
}

function ofNumbers(dim: Dim, [from, to]: readonly [string, string]): [number, number] | null {
  if (!from.trim() && !to.trim()) return null;
  const low = from.trim() ? placeOf(dim, Number(from)) : dim.low;
  const high = to.trim() ? placeOf(dim, Number(to)) : dim.high;
  return low !== undefined && high !== undefined && low <= high ? [low, high] : null;
}
