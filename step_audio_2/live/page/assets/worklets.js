// What runs in the browser's audio thread: one processor that hears, one that plays.

const PIECE = 512; // samples that go to the server at a time, 32 ms at 16 kHz
const REPORT = 2400; // samples between two words about what was played, 0.1 s at 24 kHz

class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.samples = new Int16Array(PIECE);
    this.filled = 0;
  }

  process([[input]]) {
    for (const sample of input ?? []) {
      this.samples[this.filled++] = Math.max(-1, Math.min(1, sample)) * 32767;
      if (this.filled === PIECE) {
        this.port.postMessage(this.samples);
        this.samples = new Int16Array(PIECE);
        this.filled = 0;
      }
    }
    return true;
  }
}

// Plays what it is given without a gap, and counts what of it was really played.
class Player extends AudioWorkletProcessor {
  constructor() {
    super();
    this.begin(0);
    this.port.onmessage = ({ data }) => {
      if (typeof data === "number") this.begin(data);
      else if (data === "stop") this.stop();
      else this.queue.push(data);
    };
  }

  begin(turn) {
    this.turn = turn;
    this.queue = [];
    this.offset = 0; // of the first piece of the queue
    this.played = 0;
    this.reported = 0;
  }

  stop() {
    this.queue = [];
    this.offset = 0;
    this.tell(true);
  }

  process(_, [[output]]) {
    let filled = 0;
    while (filled < output.length && this.queue.length) {
      const piece = this.queue[0].subarray(this.offset, this.offset + output.length - filled);
      output.set(piece, filled);
      filled += piece.length;
      this.offset += piece.length;
      if (this.offset === this.queue[0].length) {
        this.queue.shift();
        this.offset = 0;
      }
    }
    this.played += filled;
    if (this.played > this.reported && (this.played - this.reported >= REPORT || !this.reported || !this.queue.length)) {
      this.reported = this.played;
      this.tell(false);
    }
    return true;
  }

  tell(stopped) {
    this.port.postMessage({ turn: this.turn, played: this.played, stopped });
  }
}

registerProcessor("microphone", Microphone);
registerProcessor("player", Player);
