/** What led to a version and what came of it, as a picture whose boxes are links. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useCallback, useLayoutEffect, useMemo, useRef } from "react";
import { get } from "../../api/client";
import { useWidth } from "../../charts/useWidth";
import { segment } from "../../shell/links";
import { Trouble } from "../../shell/Trouble";
import type { PartProps } from "./ArtifactPage";
import styles from "./Artifacts.module.css";
import { BOX, type Layout, layout, type Placed } from "./layout";
import type { Graph } from "./types";

const EDGE = 12;

export function LineagePart({ version }: PartProps) {
  const { data, error } = useQuery({
    queryKey: ["lineage", version.id],
    queryFn: ({ signal }) => get<Graph>(`/artifacts/${encodeURIComponent(version.id)}/lineage`, {}, signal),
  });
  if (error && !data) return <Trouble error={error} />;
  if (!data) return null;
  if (data.nodes.length < 2) {
    return (
      <p className={styles.blank}>
        No run made it and none has used it: <code>run.log_artifact</code> and <code>run.use_artifact</code> are noted
        here.
      </p>
    );
  }
  return <Picture graph={data} id={version.id} />;
}

function Picture({ graph, id }: { graph: Graph; id: string }) {
  const box = useRef<HTMLElement>(null);
  const [sized, room] = useWidth<HTMLElement>();
  const ref = useCallback(
    (element: HTMLElement | null) => {
      box.current = element;
      return sized(element);
    },
    [sized],
  );
  const found = useMemo(() => fitting(graph, room - 2 * EDGE), [graph, room]);
  const own = found.nodes.find((node) => node.id === id);
  useLayoutEffect(() => {
    const { current } = box;
    if (!current || !own) return;
    current.scrollLeft = own.x + BOX.width / 2 - current.clientWidth / 2;
    current.scrollTop = own.y + BOX.height / 2 - current.clientHeight / 2;
  }, [own]);
  const [width, height] = [found.width + 2 * EDGE, found.height + 2 * EDGE];
  const hidden = found.nodes.reduce((sum, node) => sum + node.hidden, 0);
  return (
    <>
      <section ref={ref} className={styles.lineage} tabIndex={0} aria-label="Lineage">
        <div className={styles.picture} style={{ width, height }}>
          <svg width={width} height={height} viewBox={`${-EDGE} ${-EDGE} ${width} ${height}`} aria-hidden="true">
            <defs>
              <marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">
                <path d="M0 0 8 4 0 8z" className={styles.tip} />
              </marker>
            </defs>
            {found.arrows.map((arrow) => (
              <path
                key={`${arrow.source} ${arrow.target} ${arrow.how}`}
                d={arrow.path}
                className={styles.arrow}
                data-how={arrow.how}
                markerEnd="url(#arrow)"
              />
            ))}
          </svg>
          {found.nodes.map((node) => (
            <Box key={node.id} node={node} own={node.id === id} />
          ))}
        </div>
      </section>
      <p className={styles.blank}>
        An arrow is what a run used or made; a dashed one, what a version was begun with.
        {hidden > 0 && ` ${hidden} more neighbours are left out.`}
      </p>
      <Words graph={graph} />
    </>
  );
}

/** Across the page where there is room for it; down where that leaves less of it outside. */
function fitting(graph: Graph, room: number): Layout {
  const across = layout(graph);
  if (across.width <= room) return across;
  const down = layout(graph, true);
  return down.width < across.width ? down : across;
}

function Box({ node, own }: { node: Placed; own: boolean }) {
  const inside = (
    <>
      <span className={styles.nodeName}>{node.label}</span>
      <span className={styles.nodeKind}>
        {node.kind === "run" ? `run · ${node.state || "deleted"}` : `${node.state} · ${node.project}`}
        {node.hidden > 0 && ` · +${node.hidden}`}
      </span>
    </>
  );
  const place = { left: node.x + EDGE, top: node.y + EDGE, width: BOX.width, height: BOX.height };
  const shared = { className: styles.node, style: place, title: node.label, "data-kind": node.kind };
  if (node.kind === "run") {
    if (!node.project) return <div {...shared}>{inside}</div>;
    return (
      <Link {...shared} to="/$project/runs/$run" params={{ project: segment(node.project), run: segment(node.id) }}>
        {inside}
      </Link>
    );
  }
  return (
    <Link
      {...shared}
      to="/$project/artifacts/$artifact"
      params={{ project: segment(node.project), artifact: segment(node.name) }}
      search={{ version: String(node.version), part: "lineage" } as never}
      aria-current={own ? "true" : undefined}
    >
      {inside}
    </Link>
  );
}

/** The same in words, for those who do not see the arrows. */
function Words({ graph }: { graph: Graph }) {
  const label = new Map(graph.nodes.map((node) => [node.id, `${node.kind} ${node.label}`]));
  return (
    <ul className={styles.hidden}>
      {graph.links.map(({ source, target, how }) => (
        <li key={`${source} ${target} ${how}`}>
          {how === "used"
            ? `${label.get(target)} used ${label.get(source)}`
            : `${label.get(target)} was ${how === "made" ? "made by" : "started from"} ${label.get(source)}`}
        </li>
      ))}
    </ul>
  );
}
