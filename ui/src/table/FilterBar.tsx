/** The filter: the query language, completed as it is written. What it cannot read it says, and the last good one stays. */
import { Combobox, TextInput, useCombobox } from "@mantine/core";
import { useRef, useState } from "react";
import { Icon } from "../shell/Icons";
import { useTyped } from "../state/useTyped";
import { complete } from "./complete";
import type { ValueColumn } from "./defaults";
import styles from "./FilterBar.module.css";

interface Props {
  value: string;
  onChange: (filter: string) => void;
  columns: readonly ValueColumn[];
  tags: readonly string[];
  error: string | null;
}

const WAIT_MS = 350;

export function FilterBar({ value, onChange, columns, tags, error }: Props) {
  const { text, write: type, send } = useTyped(value, onChange, WAIT_MS);
  const [at, setAt] = useState(value.length);
  const input = useRef<HTMLInputElement>(null);
  const box = useCombobox({ onDropdownClose: () => box.resetSelectedOption() });
  const offers = complete(text, at, columns, tags);
  const isListed = box.dropdownOpened && offers.items.length > 0;
  const write = (next: string, caret: number) => {
    type(next);
    setAt(caret);
  };
  const take = (insert: string) => {
    const next = `${text.slice(0, offers.from)}${insert} `;
    write(next + text.slice(at).trimStart(), next.length);
    box.openDropdown();
    requestAnimationFrame(() => input.current?.setSelectionRange(next.length, next.length));
  };
  return (
    <Combobox
      store={box}
      onOptionSubmit={take}
      position="bottom-start"
      withinPortal={false}
      keepMounted={false}
      shadow="md"
    >
      <Combobox.Target>
        <TextInput
          ref={input}
          size="xs"
          className={styles.input ?? ""}
          aria-label="Filter runs"
          aria-invalid={error !== null}
          placeholder="Filter: config.lr < 0.01"
          leftSection={<Icon name="filter" size={13} />}
          rightSection={
            text ? (
              <button type="button" className={styles.clear} aria-label="Clear the filter" onClick={() => send("")}>
                <Icon name="close" size={13} />
              </button>
            ) : null
          }
          value={text}
          // The list of what fits lies over what stands below the field, and says it then.
          error={isListed ? error !== null : (error ?? undefined)}
          spellCheck={false}
          autoComplete="off"
          onChange={(event) => {
            write(event.currentTarget.value, event.currentTarget.selectionStart ?? 0);
            box.openDropdown();
            box.resetSelectedOption();
          }}
          onSelect={(event) => setAt(event.currentTarget.selectionStart ?? 0)}
          onClick={() => box.openDropdown()}
          onBlur={() => box.closeDropdown()}
          onKeyDown={(event) => {
            if (event.key === "Enter" && box.getSelectedOptionIndex() < 0) {
              send(text);
              box.closeDropdown();
            }
          }}
        />
      </Combobox.Target>
      <Combobox.Dropdown hidden={offers.items.length === 0} className={styles.list ?? ""}>
        <Combobox.Options>
          {offers.items.map((item) => (
            <Combobox.Option key={item.insert} value={item.insert}>
              {item.label}
            </Combobox.Option>
          ))}
        </Combobox.Options>
        {error !== null && <Combobox.Footer className={styles.error ?? ""}>{error}</Combobox.Footer>}
      </Combobox.Dropdown>
    </Combobox>
  );
}
