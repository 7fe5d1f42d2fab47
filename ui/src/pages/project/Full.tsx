/** One chart over the whole window, or the whole screen. */
import { ActionIcon, Modal, Tooltip } from "@mantine/core";
import { useFullscreenDocument, useViewportSize } from "@mantine/hooks";
import { type CardSettings, ChartCard } from "../../charts/ChartCard";
import { PanelCard } from "../../panels/PanelCard";
import type { Panel } from "../../panels/panel";
import { titleOf } from "../../panels/panel";
import type { PanelScope } from "../../panels/scope";
import { Icon } from "../../shell/Icons";
import styles from "./ProjectPage.module.css";

interface Props {
  name: string;
  panel: Panel | undefined;
  settings: CardSettings;
  scope: PanelScope;
  /** Charts that the arrow keys lead to. */
  order: readonly string[];
  onShow: (name: string | null) => void;
}

const AROUND_PX = 118;

export function Full({ name, panel, settings, scope, order, onShow }: Props) {
  const { height } = useViewportSize();
  const { fullscreen, toggle } = useFullscreenDocument();
  const at = order.indexOf(name);
  const close = () => {
    if (fullscreen) void toggle();
    onShow(null);
  };
  const step = (by: number) => {
    const next = order[at + by];
    if (at >= 0 && next !== undefined) onShow(next);
  };
  const tall = Math.max(200, (height || window.innerHeight) - AROUND_PX);
  const title = panel ? titleOf(panel) : name;
  return (
    <Modal
      opened
      fullScreen
      onClose={close}
      title={title}
      closeButtonProps={{ "aria-label": "Close" }}
      transitionProps={{ duration: 0 }}
      onKeyDown={(event) => {
        if (event.target instanceof HTMLInputElement) return;
        if (event.key === "ArrowRight") step(1);
        if (event.key === "ArrowLeft") step(-1);
      }}
    >
      <div className={styles.fullTools}>
        {at >= 0 && (
          <span>
            {at + 1} of {order.length}
          </span>
        )}
        {at >= 0 && (
          <>
            <Tooltip label="The chart before (left arrow)">
              <ActionIcon
                variant="subtle"
                color="gray"
                aria-label="The chart before"
                disabled={at === 0}
                onClick={() => step(-1)}
              >
                <Icon name="chevronRight" className={styles.turned} />
              </ActionIcon>
            </Tooltip>
            <Tooltip label="The next chart (right arrow)">
              <ActionIcon
                variant="subtle"
                color="gray"
                aria-label="The next chart"
                disabled={at === order.length - 1}
                onClick={() => step(1)}
              >
                <Icon name="chevronRight" />
              </ActionIcon>
            </Tooltip>
          </>
        )}
        <Tooltip label={fullscreen ? "Back to the window" : "Whole screen"}>
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={fullscreen ? "Back to the window" : "Whole screen"}
            onClick={() => void toggle()}
          >
            <Icon name={fullscreen ? "shrink" : "expand"} />
          </ActionIcon>
        </Tooltip>
      </div>
      {panel ? (
        <PanelCard panel={panel} height={tall} menu={null} scope={scope} />
      ) : (
        <ChartCard
          metric={name}
          title={name}
          store={scope.store}
          runs={scope.drawn}
          settings={settings}
          onZoom={scope.onZoom}
          onOpen={scope.onOpen}
          height={tall}
        />
      )}
    </Modal>
  );
}
