/** The saved views of a project: to open one, to save the page as one, to change and delete them. */
import { Button, Menu } from "@mantine/core";
import { useState } from "react";
import { createPortal } from "react-dom";
import { ROOT } from "../../../api/client";
import { Icon } from "../../../shell/Icons";
import { segment } from "../../../shell/links";
import type { Views } from "./useViews";
import { type Task, ViewDialog } from "./ViewDialog";
import styles from "./Views.module.css";

export function ViewsMenu({ project, views }: { project: string; views: Views }) {
  const [task, setTask] = useState<Task | null>(null);
  const place = document.getElementById("page-tools");
  const { all, now, isChanged } = views;
  if (!place) return null;
  const label = now ? now.name : "Views";
  return createPortal(
    <>
      {/* In the header and with nothing but items: so a screen reader finds it in a landmark, and whole. */}
      <Menu position="bottom-end" withinPortal={false} withInitialFocusPlaceholder={false} width={260}>
        <Menu.Target>
          <Button
            size="xs"
            variant="default"
            className={styles.button ?? ""}
            leftSection={<Icon name="bookmark" size={13} />}
            aria-label={now ? `View ${now.name}${isChanged ? ", changed" : ""}` : "Views"}
          >
            <span className={`cut ${styles.label}`}>{label}</span>
            {isChanged && <span className={styles.changed} title="Not saved" />}
          </Button>
        </Menu.Target>
        <Menu.Dropdown className={styles.menu ?? ""}>
          <Menu.Label>Views of this project</Menu.Label>
          <div className={styles.list}>
            {all.map((view) => (
              <Menu.Item
                key={view.id}
                leftSection={<Icon name={view.id === now?.id ? "check" : "bookmark"} size={13} />}
                rightSection={view.is_default ? <span className={styles.hint}>default</span> : null}
                aria-current={view.id === now?.id ? "true" : undefined}
                onClick={() => views.open(view)}
              >
                <span className={styles.name}>{view.name}</span>
              </Menu.Item>
            ))}
          </div>
          {all.length === 0 && <p className={styles.none}>None yet. Set the page up and save it.</p>}
          <Menu.Item leftSection={<Icon name="reset" size={13} />} onClick={() => views.open(null)}>
            Without a view
          </Menu.Item>
          <Menu.Divider />
          <Menu.Item leftSection={<Icon name="plus" size={13} />} onClick={() => setTask("new")}>
            Save as a new view …
          </Menu.Item>
          {now && <OfThis views={views} project={project} onTask={setTask} />}
        </Menu.Dropdown>
      </Menu>
      {task && <ViewDialog task={task} project={project} views={views} onTask={setTask} />}
    </>,
    place,
  );
}

function OfThis({ views, project, onTask }: { views: Views; project: string; onTask: (task: Task) => void }) {
  const { now, isChanged } = views;
  if (!now) return null;
  const link = () => {
    const address = `${window.location.origin}${ROOT}/${encodeURIComponent(segment(project))}?view=${now.id}`;
    void navigator.clipboard.writeText(address);
  };
  return (
    <>
      <Menu.Item disabled={!isChanged} leftSection={<Icon name="check" size={13} />} onClick={() => onTask("save")}>
        Save what was changed
      </Menu.Item>
      <Menu.Item disabled={!isChanged} leftSection={<Icon name="reset" size={13} />} onClick={() => views.open(now)}>
        As it was saved
      </Menu.Item>
      <Menu.Label>{now.name}</Menu.Label>
      <Menu.Item leftSection={<Icon name="copy" size={13} />} onClick={link}>
        Copy its link
      </Menu.Item>
      <Menu.Item leftSection={<Icon name="edit" size={13} />} onClick={() => onTask("rename")}>
        Rename …
      </Menu.Item>
      <Menu.Item leftSection={<Icon name="plus" size={13} />} onClick={() => onTask("duplicate")}>
        Duplicate …
      </Menu.Item>
      <Menu.Item leftSection={<Icon name="bookmark" size={13} />} onClick={() => onTask("default")}>
        {now.is_default ? "No longer the default" : "Make it the default"}
      </Menu.Item>
      <Menu.Item leftSection={<Icon name="trash" size={13} />} c="var(--bad)" onClick={() => onTask("delete")}>
        Delete …
      </Menu.Item>
    </>
  );
}
