/** One chart over the whole window, or the whole screen. */
import { ActionIcon, Modal, Tooltip, useComputedColorScheme } from "@mantine/core";
import { useFullscreenDocument, useViewportSize } from "@mantine/hooks";
import { type CardSettings, ChartCard } from "../../charts/ChartCard";
import { Legend } from "../../charts/Legend";
import type { Drawn } from "../../charts/lines";
import { combined, keysOf } from "../../panels/Lines";
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

const AROUND_PX = 132;
/** Windows that are no wider have the names of lines below the chart, and not beside it. */
const NARROW_PX = 700;
const LEGEND_PX = 132;

export function Full({ name, panel, settings, scope, order, onShow }: Props) {
  const { height, width } = useViewportSize();
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
  const lines = useLines(panel, scope);
  const isNarrow = (width || window.innerWidth) <= NARROW_PX;
  const chartHeight = isNarrow && lines.length > 1 ? tall - LEGEND_PX : tall;
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
      <div className={styles.fullBody}>
        {panel ? (
          <PanelCard panel={panel} height={chartHeight} menu={null} scope={scope} label={`${title}, large`} />
        ) : (
          <ChartCard
            metric={name}
            title={name}
            label={`${name}, large`}
            store={scope.store}
            runs={scope.drawn}
            settings={settings}
            onZoom={scope.onZoom}
            onOpen={scope.onOpen}
            height={chartHeight}
          />
        )}
        {lines.length > 1 && <Legend runs={lines} onOpen={(id) => scope.onOpen(id.split("\n")[0] ?? id)} />}
      </div>
    </Modal>
  );
}

/** The lines that have names: of other panels none has. */
function useLines(panel: Panel | undefined, scope: PanelScope): readonly Drawn[] {
  const dark = useComputedColorScheme("light") === "dark";
  if (!panel) return scope.drawn;
  return panel.kind === "lines" ? combined(scope.drawn, keysOf(panel, scope), dark) : [];
}
