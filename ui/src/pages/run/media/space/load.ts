/** From the bytes of a file to something that three.js draws; nothing is asked of anybody. */
import {
  BufferAttribute,
  BufferGeometry,
  DoubleSide,
  Group,
  LineBasicMaterial,
  LineSegments,
  LoadingManager,
  Mesh,
  MeshStandardMaterial,
  type Object3D,
  Points,
  PointsMaterial,
  SRGBColorSpace,
  TextureLoader,
} from "three";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";
import { OBJLoader } from "three/examples/jsm/loaders/OBJLoader.js";
import { PLYLoader } from "three/examples/jsm/loaders/PLYLoader.js";
import { STLLoader } from "three/examples/jsm/loaders/STLLoader.js";
import { edges, elements } from "./shape";

const MANY = 50_000;
const PLAIN = 0x8aa4b0;

/** The object, with z up. Throws where the file is damaged. */
export async function load(data: ArrayBuffer, format: string): Promise<Object3D> {
  if (format === "ply") return ofPly(data);
  if (format === "stl") return solid(new STLLoader().parse(data));
  if (format === "obj") return ofObj(new TextDecoder().decode(data));
  return ofGlb(data);
}

function solid(geometry: BufferGeometry): Object3D {
  if (!geometry.getAttribute("normal")) geometry.computeVertexNormals();
  const coloured = geometry.hasAttribute("color");
  const look = { vertexColors: coloured, color: coloured ? 0xffffff : PLAIN, side: DoubleSide, roughness: 0.8 };
  return new Mesh(geometry, new MeshStandardMaterial(look));
}

function ofPly(data: ArrayBuffer): Object3D {
  const said = elements(data);
  const geometry = new PLYLoader().parse(data);
  const places = geometry.getAttribute("position");
  if (places?.count !== said.get("vertex")) throw new Error("fewer points than it says");
  if (geometry.index && said.get("face")) return solid(geometry);
  const coloured = geometry.hasAttribute("color");
  const size = places.count > MANY ? 2 : 4;
  const look = { size, sizeAttenuation: false, vertexColors: coloured, color: coloured ? 0xffffff : PLAIN };
  const group = new Group();
  group.add(new Points(geometry, new PointsMaterial(look)));
  const found = edges(data);
  if (found) group.add(lines(found.ends, found.colours, places as BufferAttribute));
  return group;
}

function lines(ends: Uint32Array, colours: Uint8Array, places: BufferAttribute): Object3D {
  const [at, tint] = [new Float32Array(ends.length * 3), new Float32Array(ends.length * 3)];
  const colour = new LineBasicMaterial().color;
  ends.forEach((end, index) => {
    if (end >= places.count) throw new Error("an edge without an end");
    at.set([places.getX(end), places.getY(end), places.getZ(end)], index * 3);
    const edge = Math.floor(index / 2) * 3;
    const [red = 0, green = 0, blue = 0] = colours.subarray(edge, edge + 3);
    colour.setRGB(red / 255, green / 255, blue / 255, SRGBColorSpace).toArray(tint, index * 3);
  });
  const geometry = new BufferGeometry();
  geometry.setAttribute("position", new BufferAttribute(at, 3));
  geometry.setAttribute("color", new BufferAttribute(tint, 3));
  return new LineSegments(geometry, new LineBasicMaterial({ vertexColors: true }));
}

function ofObj(text: string): Object3D {
  const found = new OBJLoader(nowhere()).parse(text);
  found.traverse((part) => {
    if (part instanceof Mesh) part.material = (solid(part.geometry as BufferGeometry) as Mesh).material;
  });
  return found;
}

async function ofGlb(data: ArrayBuffer): Promise<Object3D> {
  const manager = nowhere();
  const loader = new GLTFLoader(manager);
  loader.register((parser) => {
    // As pictures: what fetches them would be held back by the page's policy, even those inside the file.
    parser.textureLoader = new TextureLoader(manager);
    return { name: "treering-pictures" };
  });
  const { scene } = await loader.parseAsync(data, "");
  scene.rotation.x = Math.PI / 2; // theirs has y up
  return scene;
}

/** Pictures inside a file are loaded; an address that it names is never asked. */
function nowhere(): LoadingManager {
  const manager = new LoadingManager();
  manager.setURLModifier((url) => (url.startsWith("blob:") ? url : "data:,"));
  return manager;
}
