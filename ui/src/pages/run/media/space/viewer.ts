/** A view of an object: turned by pointer and keys, drawn when something has changed, gone without a trace. */
import {
  AmbientLight,
  AxesHelper,
  Box3,
  Color,
  DirectionalLight,
  GridHelper,
  Group,
  type Material,
  type Object3D,
  PerspectiveCamera,
  Scene,
  Texture,
  Vector3,
  WebGLRenderer,
} from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import { load } from "./load";
import { type Move, square } from "./shape";

/** Where somebody looks from, to look from there again. */
export interface Place {
  camera: number[];
  target: number[];
}

export interface Looks {
  page: string;
  line: string;
}

/** A canvas on which three dimensions can be drawn, or null. */
function drawable(canvas: HTMLCanvasElement): WebGL2RenderingContext | null {
  return canvas.getContext("webgl2", { antialias: true, alpha: false });
}

export class Viewer {
  readonly canvas = document.createElement("canvas");
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly camera = new PerspectiveCamera(45, 1, 0.01, 1000);
  private readonly controls: OrbitControls;
  private readonly light = new DirectionalLight(0xffffff, 2);
  private readonly watch: ResizeObserver;
  private object: Object3D | null = null;
  private ground = new Group();
  private looks: Looks;
  private frame = 0;
  private showing = 0;
  private fitted = false;

  /** Throws where there is no WebGL. */
  constructor(
    private readonly host: HTMLElement,
    looks: Looks,
    place: Place | null,
  ) {
    this.looks = looks;
    const context = drawable(this.canvas);
    if (!context) throw new Error("no WebGL");
    host.append(this.canvas);
    this.renderer = new WebGLRenderer({ canvas: this.canvas, context });
    this.camera.up.set(0, 0, 1);
    this.controls = new OrbitControls(this.camera, this.canvas);
    this.controls.enableZoom = false; // the wheel moves the page, until the view is chosen
    this.canvas.style.touchAction = "pan-y";
    this.canvas.addEventListener("focus", () => {
      this.controls.enableZoom = true;
    });
    this.canvas.addEventListener("blur", () => {
      this.controls.enableZoom = false;
    });
    this.controls.addEventListener("change", () => this.draw());
    this.camera.add(this.light);
    this.scene.add(this.camera, new AmbientLight(0xffffff, 1.2), this.ground);
    if (place) {
      this.camera.position.fromArray(place.camera);
      this.controls.target.fromArray(place.target);
      this.fitted = true;
    }
    this.watch = new ResizeObserver(() => this.resize());
    this.watch.observe(host);
    this.resize();
  }

  get place(): Place | null {
    return this.fitted ? { camera: this.camera.position.toArray(), target: this.controls.target.toArray() } : null;
  }

  /** Show a file instead of what is shown now; throws where it is damaged. */
  async show(data: ArrayBuffer, format: string): Promise<void> {
    const turn = ++this.showing;
    const object = await load(data, format);
    if (turn !== this.showing) return free(object);
    const bounds = new Box3().setFromObject(object);
    const reach = bounds.getSize(new Vector3());
    if (!bounds.isEmpty() && !Number.isFinite(reach.length())) {
      free(object);
      throw new Error("places that are no numbers");
    }
    this.remove();
    this.object = object;
    this.scene.add(object);
    if (bounds.isEmpty()) bounds.set(new Vector3(-1, -1, 0), new Vector3(1, 1, 1));
    this.fit(bounds);
    this.lay(bounds);
    this.draw();
  }

  setLooks(looks: Looks, bounds?: Box3): void {
    this.looks = looks;
    const found = bounds ?? (this.object ? new Box3().setFromObject(this.object) : null);
    if (found && !found.isEmpty()) this.lay(found);
    this.draw();
  }

  move({ around, up, zoom }: Move): void {
    const way = this.camera.position.clone().sub(this.controls.target);
    way.applyAxisAngle(this.camera.up, around);
    const side = new Vector3().crossVectors(way, this.camera.up).normalize();
    const tilted = way.clone().applyAxisAngle(side, up);
    const angle = tilted.angleTo(this.camera.up);
    if (angle > 0.05 && angle < Math.PI - 0.05 && side.dot(new Vector3().crossVectors(tilted, this.camera.up)) > 0)
      way.copy(tilted);
    this.camera.position.copy(this.controls.target).add(way.multiplyScalar(zoom));
    this.controls.update();
    this.draw();
  }

  dispose(): void {
    this.showing++;
    cancelAnimationFrame(this.frame);
    this.watch.disconnect();
    this.remove();
    free(this.ground);
    this.controls.dispose();
    this.renderer.dispose();
    this.renderer.forceContextLoss(); // a browser has about sixteen, and takes its time to find one unused
    this.canvas.remove();
  }

  private fit(bounds: Box3): void {
    const [middle, reach] = [bounds.getCenter(new Vector3()), Math.max(bounds.getSize(new Vector3()).length(), 1e-6)];
    this.camera.near = reach / 1000;
    this.camera.far = reach * 100;
    this.camera.updateProjectionMatrix();
    if (!this.fitted) {
      this.controls.target.copy(middle);
      const away = reach * 1.32 * Math.max(1, 1 / this.camera.aspect);
      this.camera.position.copy(middle).addScaledVector(new Vector3(0.62, -0.62, 0.48), away);
      this.fitted = true;
    }
    this.controls.update();
  }

  /** The ground below the object, z up, with its axes. */
  private lay(bounds: Box3): void {
    free(this.ground);
    this.ground.clear();
    const reach = bounds.getSize(new Vector3());
    const cell = square(Math.max(reach.x, reach.y) || reach.z);
    const cells = 2 * Math.max(1, Math.ceil((Math.max(reach.x, reach.y) || reach.z) / cell / 2) + 1);
    const grid = new GridHelper(cells * cell, cells, new Color(this.looks.line), new Color(this.looks.line));
    grid.rotation.x = Math.PI / 2;
    const middle = bounds.getCenter(new Vector3());
    const [x, y] = [Math.round(middle.x / cell) * cell, Math.round(middle.y / cell) * cell];
    grid.position.set(x, y, bounds.min.z);
    const axes = new AxesHelper(cell * 3);
    axes.position.copy(bounds.min);
    this.ground.add(grid, axes);
  }

  private resize(): void {
    const { clientWidth, clientHeight } = this.host;
    if (!clientWidth || !clientHeight) return;
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio || 1, 2));
    this.renderer.setSize(clientWidth, clientHeight, false);
    this.camera.aspect = clientWidth / clientHeight;
    this.camera.updateProjectionMatrix();
    this.draw();
  }

  private draw(): void {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => {
      this.scene.background = new Color(this.looks.page);
      this.renderer.render(this.scene, this.camera);
      this.canvas.dataset.drawn = String(this.object !== null);
    });
  }

  private remove(): void {
    if (!this.object) return;
    this.scene.remove(this.object);
    free(this.object);
    this.object = null;
  }
}

/** Give back what the graphics card holds of it. */
function free(object: Object3D): void {
  object.traverse((part) => {
    const { geometry, material } = part as { geometry?: { dispose: () => void }; material?: Material | Material[] };
    geometry?.dispose();
    for (const one of [material ?? []].flat()) {
      for (const value of Object.values(one)) if (value instanceof Texture) value.dispose();
      one.dispose();
    }
  });
}
