// Sounds: players with a waveform to click into, and a spectrogram on request.
"use strict";

evalkit.sounds = (() => {
  const { element } = evalkit;
  const served = location.protocol.startsWith("http");
  const LOUDEST_DECIBELS = 70;

  const players = []; // of the sample that is shown, in order

  function address(sound) {
    return sound.url ? new URL(sound.url, evalkit.root).href : null;
  }

  function colour(canvas, name) {
    return getComputedStyle(canvas).getPropertyValue(name).trim();
  }

  // A canvas as sharp as the screen.
  function prepared(canvas, height) {
    const width = canvas.clientWidth || 480;
    const scale = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    return [context, width, height];
  }

  function drawWaveform(canvas, peaks, share) {
    const [context, width, height] = prepared(canvas, 56);
    context.clearRect(0, 0, width, height);
    const loudest = Math.max(...peaks, 8);
    const step = width / peaks.length;
    peaks.forEach((peak, at) => {
      const tall = Math.max(1.5, (peak / loudest) * (height - 4));
      context.fillStyle = colour(canvas, (at + 0.5) / peaks.length <= share ? "--played" : "--wave");
      context.fillRect(at * step, (height - tall) / 2, Math.max(1, step - 1), tall);
    });
  }

  function bytes(hex) {
    return Array.from({ length: hex.length / 2 }, (_, at) => parseInt(hex.slice(2 * at, 2 * at + 2), 16));
  }

  // Decode a sound that a server hands out; from disk, pages may not read sounds.
  async function decoded(url) {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`${answer.status}`);
    const context = new OfflineAudioContext(1, 1, 16000);
    return (await context.decodeAudioData(await answer.arrayBuffer())).getChannelData(0);
  }

  function loudest(samples, count) {
    return Array.from({ length: count }, (_, at) => {
      let most = 0;
      const end = Math.floor(((at + 1) * samples.length) / count);
      for (let i = Math.floor((at * samples.length) / count); i < end; i += 1) most = Math.max(most, Math.abs(samples[i]));
      return Math.min(255, Math.round(most * 255));
    });
  }

  // Levels of frequencies over time, 0 being 70 dB below the loudest: 128 bands from 0 to 8 kHz.
  function transformed(samples) {
    const size = 256;
    const frames = Math.max(1, Math.min(400, Math.floor((samples.length - size) / 160) + 1));
    const bands = size / 2;
    const levels = new Float32Array(frames * bands);
    const real = new Float32Array(size);
    const imaginary = new Float32Array(size);
    let most = -Infinity;
    for (let frame = 0; frame < frames; frame += 1) {
      const start = frames > 1 ? Math.floor((frame * (samples.length - size)) / (frames - 1)) : 0;
      for (let i = 0; i < size; i += 1) {
        real[i] = (samples[start + i] ?? 0) * (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / (size - 1)));
        imaginary[i] = 0;
      }
      fourier(real, imaginary);
      for (let band = 0; band < bands; band += 1) {
        const level = 10 * Math.log10(Math.max(1e-10, real[band] ** 2 + imaginary[band] ** 2));
        levels[frame * bands + band] = level;
        most = Math.max(most, level);
      }
    }
    const scaled = Uint8Array.from(levels, (level) => Math.max(0, (255 * (level - most + LOUDEST_DECIBELS)) / LOUDEST_DECIBELS));
    return { frames, bands, levels: scaled };
  }

  // The fast Fourier transform, in place (Cooley and Tukey 1965).
  function fourier(real, imaginary) {
    const size = real.length;
    for (let i = 1, j = 0; i < size; i += 1) {
      let bit = size >> 1;
      for (; j & bit; bit >>= 1) j ^= bit;
      j ^= bit;
      if (i < j) {
        [real[i], real[j]] = [real[j], real[i]];
        [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
      }
    }
    for (let length = 2; length <= size; length <<= 1) {
      for (let start = 0; start < size; start += length) {
        for (let k = 0; k < length / 2; k += 1) {
          const angle = (-2 * Math.PI * k) / length;
          const a = start + k;
          const b = a + length / 2;
          const re = real[b] * Math.cos(angle) - imaginary[b] * Math.sin(angle);
          const im = real[b] * Math.sin(angle) + imaginary[b] * Math.cos(angle);
          [real[b], imaginary[b]] = [real[a] - re, imaginary[a] - im];
          [real[a], imaginary[a]] = [real[a] + re, imaginary[a] + im];
        }
      }
    }
  }

  function drawSpectrogram(canvas, { frames, bands, levels }) {
    const image = new ImageData(frames, bands);
    for (let frame = 0; frame < frames; frame += 1) {
      for (let band = 0; band < bands; band += 1) {
        const level = levels[frame * bands + band] / 255;
        const at = 4 * ((bands - 1 - band) * frames + frame);
        // From black over violet and orange to white: lightness rises with the level, so that grey print shows it too.
        image.data[at] = 255 * Math.min(1, 1.6 * level);
        image.data[at + 1] = 255 * Math.max(0, Math.min(1, 2 * level - 0.8));
        image.data[at + 2] = 255 * (level < 0.5 ? 1.3 * level : level < 0.75 ? 1.3 - 1.3 * level : 3 * level - 1.95);
        image.data[at + 3] = 255;
      }
    }
    const small = document.createElement("canvas");
    small.width = frames;
    small.height = bands;
    small.getContext("2d").putImageData(image, 0, 0);
    canvas.hidden = false;
    const [context, width, height] = prepared(canvas, 128);
    context.imageSmoothingEnabled = true;
    context.drawImage(small, 0, 0, width, height);
  }

  async function showSpectrogram(sound, canvas, message) {
    if (!canvas.hidden) { canvas.hidden = true; return; }
    message.textContent = "";
    try {
      if (sound.spectrogram) {
        const { frames, bands, levels } = await evalkit.drawing(sound.spectrogram);
        drawSpectrogram(canvas, { frames, bands, levels: Uint8Array.from(atob(levels), (sign) => sign.charCodeAt(0)) });
      } else if (served) {
        drawSpectrogram(canvas, transformed(await decoded(address(sound))));
      } else {
        message.textContent = "A page from disk may play this sound, not read it. For its spectrogram open the run with evalkit view, or write the report with --audio copy.";
      }
    } catch (error) {
      message.textContent = `The sound cannot be read (${error.message}).`;
    }
  }

  function time(seconds) {
    return Number.isFinite(seconds) ? `${seconds.toFixed(1)} s` : "";
  }

  // Return the player of a sound, or its name where it cannot be played.
  function player(sound, title, key) {
    const url = address(sound);
    const caption = [element("b", {}, title), " ", evalkit.text(sound.name), sound.seconds ? ` ${time(sound.seconds)}` : ""];
    if (!url) {
      return element("figure", { class: "sound" }, element("figcaption", {}, ...caption, element("small", {}, " not at hand")));
    }
    const audio = element("audio", { src: url, preload: "none", controls: true, "aria-label": title });
    const wave = element("canvas", { class: "wave", role: "img", "aria-label": `Waveform of ${title}` });
    const spectrum = element("canvas", { class: "spectrum", role: "img", "aria-label": `Spectrogram of ${title}`, hidden: true });
    const message = element("p", { class: "note", role: "status" });
    const button = element("button", { type: "button", onclick: () => showSpectrogram(sound, spectrum, message) }, "Spectrogram");
    let peaks = sound.peaks ? bytes(sound.peaks) : null;
    const draw = () => peaks && drawWaveform(wave, peaks, audio.duration ? audio.currentTime / audio.duration : 0);
    wave.addEventListener("click", (event) => {
      const share = event.offsetX / wave.clientWidth;
      const go = () => { audio.currentTime = share * audio.duration; audio.play(); };
      if (audio.duration) go();
      else { audio.addEventListener("loadedmetadata", go, { once: true }); audio.load(); }
    });
    for (const event of ["timeupdate", "seeked", "ended"]) audio.addEventListener(event, draw);
    audio.addEventListener("play", () => players.forEach((other) => other.audio !== audio && other.audio.pause()));
    audio.addEventListener("error", () => { message.textContent = "The sound cannot be played: it is gone, or of a form that this browser does not know."; });
    const figure = element(
      "figure", { class: "sound" },
      element("figcaption", {}, ...caption, key ? element("kbd", {}, key) : "", " ", button), wave, spectrum, audio, message,
    );
    players.push({ audio, button, draw });
    if (!peaks && served) decoded(url).then((samples) => { peaks = loudest(samples, 160); draw(); }, () => { wave.hidden = true; });
    else if (!peaks) wave.hidden = true;
    requestAnimationFrame(draw);
    return figure;
  }

  function clear() {
    for (const { audio } of players) audio.pause();
    players.length = 0;
  }

  function toggle(position) {
    const chosen = players[position];
    if (!chosen) return;
    if (chosen.audio.paused) chosen.audio.play();
    else chosen.audio.pause();
  }

  // Play sounds one after the other: the base run's answer and then the new one's.
  function playInTurn(positions) {
    const [first, ...rest] = positions;
    const chosen = players[first];
    if (!chosen) return;
    chosen.audio.currentTime = 0;
    chosen.audio.play();
    chosen.audio.addEventListener("ended", () => playInTurn(rest), { once: true });
  }

  window.addEventListener("resize", () => players.forEach((each) => each.draw()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => players.forEach((each) => each.draw()));

  return { player, clear, toggle, playInTurn, players };
})();
