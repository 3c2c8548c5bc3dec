// Sound in and out: a microphone, recordings from files, and speech that is played as it comes.

export const HEARD = 16000; // hertz at which the model hears
const SPOKEN = 24000; // hertz at which it speaks
const LOUDEST = 32768;

export class Player {
  /** @param {(turn: number, seconds: number, stopped: boolean) => void} tell what was played so far of a turn */
  constructor(tell) {
    this.tell = tell;
    this.context = null;
    this.node = null;
  }

  /** Make ready; browsers play only after the user has done something. */
  async open() {
    if (!this.context) {
      // At the rate of the speech, so that pieces join without a click wherever they are cut.
      this.context = new AudioContext({ sampleRate: SPOKEN });
      await this.context.audioWorklet.addModule("worklets.js");
      this.node = new AudioWorkletNode(this.context, "player", { numberOfInputs: 0, outputChannelCount: [1] });
      this.node.port.onmessage = ({ data }) => this.tell(data.turn, data.played / SPOKEN, data.stopped);
      this.node.connect(this.context.destination);
    }
    if (this.context.state === "suspended") this.context.resume();
  }

  /** @param {number} turn whose sound comes now */
  begin(turn) {
    this.node?.port.postMessage(turn);
  }

  /** @param {ArrayBuffer} data samples of 16 bits */
  play(data) {
    this.node?.port.postMessage(Float32Array.from(new Int16Array(data), (sample) => sample / LOUDEST));
  }

  /** Fall silent at once; what was played is told as stopped. */
  stop() {
    this.node?.port.postMessage("stop");
  }
}

export class Microphone {
  /** @param {(samples: Int16Array) => void} hear */
  constructor(hear) {
    this.hear = hear;
    this.context = null;
    this.stream = null;
  }

  /** Switch it on, and return the rate of its samples. */
  async open() {
    if (!navigator.mediaDevices) throw new Error("browsers lend the microphone only to https and to this machine");
    this.stream = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
    let source;
    try {
      this.context = new AudioContext({ sampleRate: HEARD });
      source = this.context.createMediaStreamSource(this.stream);
    } catch {
      // Some browsers do not convert what a microphone gives: then the server does.
      this.context = new AudioContext();
      source = this.context.createMediaStreamSource(this.stream);
    }
    await this.context.audioWorklet.addModule("worklets.js");
    const node = new AudioWorkletNode(this.context, "microphone", { numberOfOutputs: 0, channelCount: 1 });
    node.port.onmessage = ({ data }) => this.hear(data);
    source.connect(node);
    return this.context.sampleRate;
  }

  close() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.context?.close();
    this.context = this.stream = null;
  }
}

/** Read a recording of any form that the browser knows, as the model hears it.
 * @param {Blob} file */
export async function decoded(file) {
  const context = new OfflineAudioContext(1, 1, HEARD);
  const recording = await context.decodeAudioData(await file.arrayBuffer());
  return Int16Array.from(recording.getChannelData(0), (sample) => Math.max(-1, Math.min(1, sample)) * (LOUDEST - 1));
}
