/** A button with a picture that opens a box of settings; its name is told where it is pointed at, until it is open. */
import { ActionIcon, Popover, Tooltip } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { Icon, type IconName } from "./Icons";

interface Props {
  icon: IconName;
  /** What it is for. */
  tip: string;
  /** What it is and how it stands, where that is more than `tip`. */
  label?: string;
  /** Whether what it sets is set. */
  isSet?: boolean;
  position: "bottom-start" | "bottom-end";
  /** Of the box. */
  className?: string | undefined;
  children: ReactNode;
}

export function ToolPopover({ icon, tip, label = tip, isSet, position, className, children }: Props) {
  const [open, setOpen] = useState(false);
  return (
    <Popover opened={open} onChange={setOpen} position={position} withinPortal trapFocus>
      <Popover.Target>
        <Tooltip label={tip} disabled={open}>
          <ActionIcon
            variant={isSet ? "light" : "default"}
            size={30}
            aria-label={label}
            onClick={() => setOpen((was) => !was)}
          >
            <Icon name={icon} />
          </ActionIcon>
        </Tooltip>
      </Popover.Target>
      <Popover.Dropdown className={className ?? ""}>{children}</Popover.Dropdown>
    </Popover>
  );
}
