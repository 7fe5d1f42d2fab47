/** What stands in one place of the wall: it can be moved and resized, by the pointer and by the arrow keys. */
import { ActionIcon, Menu } from "@mantine/core";
import { type KeyboardEvent, type PointerEvent, type ReactNode, useRef, useState } from "react";
import { Icon } from "../shell/Icons";
import { LateMenu } from "../shell/LateMenu";
import { HEIGHT, type Own, WIDEST } from "../state/wall";
import { startResize } from "./arrange";
import styles from "./Wall.module.css";

export interface TileSize {
  w: number;
  h: number;
}

/** The size of a place; that of a panel, whose name begins with a colon, is higher. */
export function sizeOf(name: string, own: Own | undefined): TileSize {
  return { w: own?.w ?? 1, h: own?.h ?? (name.startsWith(":") ? HEIGHT.panel : HEIGHT.usual) };
}

interface Props {
  name: string;
  label: string;
  size: TileSize;
  /** How many columns the wall has now. */
  columns: number;
  see: (element: HTMLElement | null, name: string) => void;
  onSize: (name: string, size: TileSize) => void;
  grip: ReactNode;
  fixed: boolean;
  dropping: "before" | "after" | "away" | undefined;
  children: (height: number) => ReactNode;
}

const GAP_PX = 10;
const TITLE_PX = 37;

export function Tile({ name, label, size, columns, see, onSize, grip, fixed, dropping, children }: Props) {
  const [trying, setTrying] = useState<TileSize | null>(null);
  const place = useRef<HTMLDivElement | null>(null);
  const { w, h } = trying ?? size;
  const span = Math.min(w, columns);
  const drag = (event: PointerEvent<HTMLElement>) => {
    const box = place.current?.getBoundingClientRect();
    if (!box) return;
    const column = (box.width + GAP_PX) / Math.min(size.w, columns);
    startResize(event, (across, down, done) => {
      const wide = Math.round((box.width + across + GAP_PX) / column);
      const next = { w: within(wide, 1, columns), h: within(Math.round(size.h + down), HEIGHT.least, HEIGHT.most) };
      setTrying(done ? null : next);
      if (done && (next.w !== size.w || next.h !== size.h)) onSize(name, next);
    });
  };
  const key = (event: KeyboardEvent) => {
    const wider = { ArrowRight: 1, ArrowLeft: -1 }[event.key] ?? 0;
    const taller = { ArrowDown: HEIGHT.step, ArrowUp: -HEIGHT.step }[event.key] ?? 0;
    if (!wider && !taller) return;
    event.preventDefault();
    onSize(name, {
      w: within(Math.min(size.w, columns) + wider, 1, Math.min(columns, WIDEST)),
      h: within(size.h + taller, HEIGHT.least, HEIGHT.most),
    });
  };
  return (
    <div
      ref={(element) => {
        place.current = element;
        see(element, name);
      }}
      className={`${styles.place} ${dropping ? styles[dropping] : ""}`}
      data-tile={name}
      style={{ gridColumn: `span ${span}`, minHeight: h + TITLE_PX }}
    >
      {children(h)}
      {grip}
      {!fixed && (
        <button
          type="button"
          className={styles.corner}
          aria-label={`Resize ${label}: ${span} wide, ${h} pixels high`}
          title="Resize: drag, or the arrow keys"
          onPointerDown={drag}
          onKeyDown={key}
        />
      )}
    </div>
  );
}

const within = (value: number, low: number, high: number) => Math.min(Math.max(value, low), high);

interface GripProps {
  label: string;
  vertical?: boolean;
  onPointerDown: (event: PointerEvent<HTMLElement>) => void;
  onStep: (by: number) => void;
}

/** The handle that something is moved by. */
export function Grip({ label, vertical = false, onPointerDown, onStep }: GripProps) {
  const key = (event: KeyboardEvent) => {
    const by = { ArrowUp: -1, ArrowDown: 1, ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    onStep(by);
  };
  return (
    <button
      type="button"
      className={`${styles.grip} ${vertical ? styles.vertical : ""}`}
      aria-label={`Move ${label}`}
      title="Move: drag, or the arrow keys"
      data-grip={label}
      onPointerDown={onPointerDown}
      onKeyDown={key}
    >
      <svg width={8} height={14} viewBox="0 0 8 14" aria-hidden="true">
        <path
          d="M2 2h.01M6 2h.01M2 7h.01M6 7h.01M2 12h.01M6 12h.01"
          stroke="currentColor"
          strokeWidth={2}
          strokeLinecap="round"
        />
      </svg>
    </button>
  );
}

export interface TileMenuProps {
  label: string;
  onSettings: () => void;
  /** Undefined where it cannot be pinned. */
  pinned?: boolean | undefined;
  onPin?: (() => void) | undefined;
  onHide: () => void;
  hide: string;
  wide: boolean;
  onWide: () => void;
}

export function TileMenu({ label, onSettings, pinned, onPin, onHide, hide, wide, onWide }: TileMenuProps) {
  return (
    <LateMenu
      label={`More for ${label}`}
      position="bottom-end"
      button={(given) => (
        <ActionIcon variant="subtle" color="gray" size="sm" {...given}>
          <Icon name="dots" size={15} strokeWidth={3.5} />
        </ActionIcon>
      )}
      content={() => (
        <Menu.Dropdown>
          <Menu.Item leftSection={<Icon name="settings" size={13} />} onClick={onSettings}>
            Settings
          </Menu.Item>
          <Menu.Item leftSection={<Icon name={wide ? "shrink" : "expand"} size={13} />} onClick={onWide}>
            {wide ? "Usual size" : "Whole width"}
          </Menu.Item>
          {onPin && (
            <Menu.Item leftSection={<Icon name="pin" size={13} />} onClick={onPin}>
              {pinned ? "Back to its section" : "Pin to the top"}
            </Menu.Item>
          )}
          <Menu.Item leftSection={<Icon name="eyeOff" size={13} />} onClick={onHide}>
            {hide}
          </Menu.Item>
        </Menu.Dropdown>
      )}
    />
  );
}
