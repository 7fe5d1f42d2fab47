/** A menu that is put together when it is opened: a table has one in each row, and hardly any is ever seen. */
import { Menu, type MenuProps } from "@mantine/core";
import { type ReactElement, type ReactNode, useRef, useState } from "react";
import styles from "./LateMenu.module.css";

/** The menu itself, at the place of the element that it stands in; its content is called when it is shown. */
export function OpenMenu({
  label,
  position,
  onClose,
  children,
}: {
  label: string;
  position: NonNullable<MenuProps["position"]>;
  onClose: () => void;
  children: ReactNode;
}) {
  return (
    <Menu opened onChange={(open) => !open && onClose()} position={position} withinPortal returnFocus={false}>
      <Menu.Target>
        <span role="group" className={styles.anchor} aria-hidden="true" aria-label={label} />
      </Menu.Target>
      {children}
    </Menu>
  );
}

export interface OpenerProps {
  "aria-label": string;
  "aria-haspopup": "menu";
  "aria-expanded": boolean;
  onPointerDown: () => void;
  onClick: () => void;
}

interface Props {
  label: string;
  position: NonNullable<MenuProps["position"]>;
  /** The button that opens it. */
  button: (props: OpenerProps) => ReactElement;
  /** Its `Menu.Dropdown`. */
  content: () => ReactNode;
}

export function LateMenu({ label, position, button, content }: Props) {
  const [open, setOpen] = useState(false);
  const place = useRef<HTMLSpanElement>(null);
  // A press outside closes a menu; the click on its own button that follows must not open it again.
  const wasOpen = useRef(false);
  const close = () => {
    setOpen(false);
    place.current?.querySelector("button")?.focus({ preventScroll: true });
  };
  return (
    <span ref={place} className={styles.place}>
      {button({
        "aria-label": label,
        "aria-haspopup": "menu",
        "aria-expanded": open,
        onPointerDown: () => {
          wasOpen.current = open;
        },
        onClick: () => {
          setOpen(!wasOpen.current);
          wasOpen.current = false;
        },
      })}
      {open && (
        <OpenMenu label={label} position={position} onClose={close}>
          {content()}
        </OpenMenu>
      )}
    </span>
  );
}
