"use strict";
// Shows what scoring/html.py put into #data. All of it is strangers' text: it enters the page as text nodes alone.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const PAGE = 25; // utterances shown at once
  const STEPS = 400; // of an alignment, before a button shows the rest: 100,000 would stall the page
  const BARS = 15; // speakers shown at first
  const ERRORS = 12; // errors of a kind shown at first, and a button adds ten times as many
  const KINDS = { S: "substitutions", D: "deletions", I: "insertions" };

  const $ = (id) => document.getElementById(id);
  const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
  const rate = (errors, length) => (length ? errors / length : errors ? Infinity : 0);

  /** A fraction in percent as Python writes it: toFixed rounds ties up, which are odd eighths, Python to even. */
  function percent(fraction) {
    const value = 100 * fraction;
    if (!Number.isFinite(value)) return "inf";
    return ((value * 8) % 4 === 1 ? value - 0.001 : value).toFixed(2);
  }

  /** An element with properties (on... are listeners, others attributes) and children; strings become text nodes. */
  function make(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children);
    return element;
  }
  const button = (label, onclick, properties = {}) => make("button", { type: "button", onclick, ...properties }, label);
  const kindMark = (letter) => make("i", { class: letter }, letter);

  // ---- What there is

  const names = data.speakers.map((each) => each[0]);
  const utterances = data.ids.map((id, at) => {
    const steps = data.steps[at];
    const counts = { S: 0, D: 0, I: 0, C: 0 };
    for (const letter of steps) counts[letter] += 1;
    const errors = counts.S + counts.D + counts.I;
    const words = counts.C + counts.S + counts.D;
    return {
      at, id, steps, ...counts, errors, words,
      speaker: names[data.speaker[at]] ?? "",
      reference: data.references[at],
      hypothesis: data.hypotheses[at],
      wer: rate(errors, words),
      cer: rate(data.characterErrors[at], data.characterLengths[at]),
      clip: data.clips[at],
    };
  });
  const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  const worst = [...utterances].sort((a, b) => b.errors - a.errors || order(b.wer, a.wer) || order(a.id, b.id));

  function* alignment(utterance) {
    const sides = { reference: utterance.reference.split(" "), hypothesis: utterance.hypothesis.split(" ") };
    let [ref, hyp] = [0, 0];
    for (const kind of utterance.steps) {
      const step = { kind, reference: "", hypothesis: "" };
      if (kind !== "I") step.reference = sides.reference[ref++];
      if (kind !== "D") step.hypothesis = sides.hypothesis[hyp++];
      yield step;
    }
  }

  // ---- Which utterances are shown, and in which order

  const state = { sort: "errors", descending: true, page: 0, picked: null };
  const COLUMNS = [
    { key: "sound", label: "" },
    { key: "id", label: "Utterance", text: true },
    { key: "speaker", label: "Speaker", text: true },
    { key: "wer", label: "WER", title: "word error rate, %" },
    { key: "errors", label: "Errors", title: "word errors" },
    { key: "S", label: "Sub", title: "substitutions" },
    { key: "D", label: "Del", title: "deletions" },
    { key: "I", label: "Ins", title: "insertions" },
    { key: "cer", label: "CER", title: "character error rate, %" },
    { key: "words", label: "Words", title: "reference words" },
  ].filter((each) => (each.key !== "speaker" || names.length) && (each.key !== "sound" || utterances.some((u) => u.clip)));

  const FITS = {
    all: () => true,
    wrong: (each) => each.errors > 0,
    right: (each) => each.errors === 0,
    empty: (each) => each.hypothesis === "" && each.words > 0,
    S: (each) => each.S > 0,
    D: (each) => each.D > 0,
    I: (each) => each.I > 0,
  };
  const FIELDS = {
    any: (each) => `${each.id}\n${each.reference}\n${each.hypothesis}`,
    reference: (each) => each.reference,
    hypothesis: (each) => each.hypothesis,
    id: (each) => each.id,
  };

  function chosen() {
    const sought = $("text").value.trim().toLowerCase();
    const field = FIELDS[$("field").value];
    const speaker = $("speaker").value;
    const fits = FITS[$("kind").value];
    const found = worst.filter(
      (each) =>
        fits(each) &&
        (!speaker || each.speaker === names[speaker]) &&
        (!$("sound").checked || each.clip) &&
        (!state.picked || state.picked.held.has(each.at)) &&
        (!sought || field(each).toLowerCase().includes(sought)),
    );
    const sign = state.descending ? -1 : 1;
    return found.sort((a, b) => sign * order(a[state.sort], b[state.sort]));
  }

  function show(page = 0) {
    const found = chosen();
    const last = Math.max(0, Math.ceil(found.length / PAGE) - 1);
    state.page = Math.min(Math.max(page, 0), last);
    stop();
    const first = state.page * PAGE;
    const rows = found.slice(first, first + PAGE);
    $("rows").replaceChildren(...rows.flatMap(rowsOf));
    const of = found.length === utterances.length ? count(found.length, "utterance")
      : `${found.length.toLocaleString("en")} of ${count(utterances.length, "utterance")}`;
    $("shown").textContent = found.length ? `${first + 1} to ${first + rows.length} · ${of}` : `0 of ${count(utterances.length, "utterance")}`;
    for (const each of document.querySelectorAll(".pages")) each.replaceChildren(...pages(last));
    showColumns();
    showFilters();
  }

  function pages(last) {
    if (!last) return [];
    const to = (label, name, page) =>
      button(label, () => { show(page); $("filters").scrollIntoView({ block: "nearest" }); },
        { class: "quiet", "aria-label": name, disabled: page < 0 || page > last || page === state.page });
    return [to("«", "First page", 0), to("‹", "Previous page", state.page - 1),
      to("›", "Next page", state.page + 1), to("»", "Last page", last)];
  }

  function showColumns() {
    const focused = document.activeElement?.dataset?.sort;
    $("columns").replaceChildren(...COLUMNS.map(({ key, label, title, text }) => {
      const sorted = state.sort === key && (state.descending ? "descending" : "ascending");
      const kind = ["sound", "id", "speaker"].includes(key) ? key : "";
      if (key === "sound") return make("th", { scope: "col", class: kind, "aria-label": "audio" });
      const sort = () => {
        state.descending = state.sort === key ? !state.descending : !text;
        state.sort = key;
        show();
      };
      return make("th", { scope: "col", class: kind, "aria-sort": sorted }, button(label, sort, { title, "data-sort": key }));
    }));
    if (focused) $("columns").querySelector(`[data-sort="${focused}"]`)?.focus();
  }

  function showFilters() {
    const { picked } = state;
    $("picked").hidden = !picked;
    if (picked) {
      $("picked").replaceChildren("with ", kindMark(picked.kind), " ", `${visible(picked.reference)} → ${visible(picked.hypothesis)}`);
      $("picked").setAttribute("aria-label", `Show not only utterances with this error: ${picked.reference} ${picked.hypothesis}`);
    }
    $("clear").hidden = !picked && !$("text").value && !$("speaker").value && $("kind").value === "all" && !$("sound").checked;
    for (const each of document.querySelectorAll(".speakers button")) each.setAttribute("aria-pressed", each.dataset.speaker === $("speaker").value);
    for (const each of document.querySelectorAll(".confusions button")) each.setAttribute("aria-pressed", each.confusion === picked);
  }

  // ---- An utterance: a row of figures, and one of texts

  function rowsOf(utterance) {
    const figures = make("tr", { class: "figures", "data-at": utterance.at });
    const texts = make("td", { colspan: COLUMNS.length }, aligned(utterance, STEPS));
    for (const { key, label } of COLUMNS) {
      if (key === "id") figures.append(make("th", { scope: "row", class: "id" }, utterance.id));
      else if (key === "speaker") figures.append(make("td", { class: "speaker", "data-label": label }, utterance.speaker));
      else if (key === "sound") figures.append(make("td", { class: "sound" }, ...(utterance.clip ? [playButton(utterance, texts)] : [])));
      else {
        const shown = key === "wer" || key === "cer" ? percent(utterance[key]) : utterance[key].toLocaleString("en");
        figures.append(make("td", { class: `${key}${utterance[key] ? "" : " nil"}`, "data-label": label }, shown));
      }
    }
    return [figures, make("tr", { class: "texts" }, texts)];
  }

  function aligned(utterance, limit) {
    const line = make("div", { class: "alignment", dir: "auto" });
    let shown = 0;
    for (const step of alignment(utterance)) {
      if (shown++ === limit) {
        const rest = utterance.steps.length - limit;
        line.append(button(`Show ${count(rest, "more word")}`, () => line.replaceWith(aligned(utterance, Infinity)), { class: "quiet" }));
        break;
      }
      const { kind, reference, hypothesis } = step;
      const picked = state.picked?.unit === "words" && same(state.picked, step);
      const word = (side, text) => (text ? make("span", { class: side }, text) : make("span", { class: `${side} gap` }, "–"));
      line.append(make("span", { class: `step ${kind}${picked ? " picked" : ""}` },
        word("ref", reference), word("hyp", hypothesis), make("span", { class: "mark" }, kind === "C" ? "" : kind)));
    }
    if (!shown) line.append(make("span", { class: "step" }, make("span", { class: "gap" }, "nothing said, nothing recognised")));
    return line;
  }
  const same = (a, b) => a.kind === b.kind && a.reference === b.reference && a.hypothesis === b.hypothesis;

  // ---- Speakers

  let bars = BARS;
  function showSpeakers() {
    const rows = data.speakers.map(([name, errors, words, spoken, wrong, low, high], at) =>
      ({ at, name, errors, words, spoken, wrong, low, high, wer: rate(errors, words) }));
    const sort = $("speaker-sort").value;
    rows.sort((a, b) => (sort === "name" ? order(a.name, b.name) : order(b[sort], a[sort]) || order(a.name, b.name)));
    const finite = rows.flatMap((each) => [each.wer, each.high ?? 0]).filter(Number.isFinite);
    const full = Math.max(...finite, data.wer, 1e-9);
    $("speaker-rows").replaceChildren(...rows.slice(0, bars).map((each) => make("li", {}, speakerBar(each, full))));
    $("speaker-more").hidden = rows.length <= bars;
    $("speaker-more").textContent = `Show all ${rows.length.toLocaleString("en")} speakers`;
    const ranges = rows.some((each) => each.low !== null) ? "; the line with ends is the 95 % bootstrap interval over a speaker's utterances, where there are five or more" : "";
    $("speaker-note").textContent = `The dashed line is the WER of all${ranges}. Choose a speaker to see these utterances alone.`;
    showFilters();
  }

  function speakerBar({ at, name, errors, words, spoken, wrong, low, high, wer }, full) {
    const scale = make("span", { class: "scale" }, make("span", { class: "mean" }), make("span", { class: "fill" }));
    const [mean, fill] = scale.children;
    mean.style.left = `${(100 * data.wer) / full}%`;
    fill.style.width = `${Math.min(100, (100 * wer) / full)}%`;
    if (low !== null) {
      const range = scale.appendChild(make("span", { class: "range" }));
      range.style.left = `${(100 * low) / full}%`;
      range.style.width = `${(100 * (high - low)) / full}%`;
    }
    const sure = low === null ? "" : `, 95 % interval ${percent(low)} to ${percent(high)}`;
    const title = `${name}: WER ${percent(wer)} %${sure}; ${wrong} of ${count(spoken, "utterance")} with errors`;
    const choose = () => {
      $("speaker").value = $("speaker").value === String(at) ? "" : at;
      show();
    };
    return make("button", { type: "button", title, "data-speaker": at, onclick: choose },
      make("span", { class: "name" }, name), scale, make("span", { class: "rate" }, `${percent(wer)} %`),
      make("span", { class: "of" }, `${errors.toLocaleString("en")} of ${count(words, "word")}`));
  }

  // ---- The most frequent errors

  /** A character that can be seen: a blank, and a mark that wants a letter to stand on. */
  function visible(text) {
    if (text === "") return "–";
    if (text === " ") return "␣ space";
    return /^\p{M}/u.test(text) ? `◌${text}` : text;
  }

  function errorList(section) {
    const { unit } = section.dataset;
    const rows = data[unit].map(([kind, reference, hypothesis, held]) => ({ unit, kind, reference, hypothesis, times: held.length, held: new Set(held) }));
    section.hidden = !rows.length;
    section.append($("errors-body").content.cloneNode(true));
    const [kinds, list, none, more, input] = [".kinds", "ol", ".none", ".more", "input"].map((each) => section.querySelector(each));
    const local = { kind: "", shown: ERRORS };
    const display = () => {
      const sought = input.value.trim().toLowerCase();
      const found = rows.filter((each) => (!local.kind || each.kind === local.kind) &&
        (!sought || `${each.reference}\n${each.hypothesis}`.toLowerCase().includes(sought)));
      list.replaceChildren(...found.slice(0, local.shown).map((each) => make("li", {}, errorRow(each, found[0].times))));
      none.hidden = found.length > 0;
      more.hidden = found.length <= local.shown;
      more.textContent = `Show more of ${found.length.toLocaleString("en")}`;
      for (const each of kinds.children) each.setAttribute("aria-pressed", each.dataset.kind === local.kind);
      showFilters();
    };
    const choose = (kind) => () => { Object.assign(local, { kind, shown: ERRORS }); display(); };
    kinds.append(button("All", choose(""), { "data-kind": "" }),
      ...Object.keys(KINDS).map((kind) => button(kind, choose(kind), { "data-kind": kind, title: KINDS[kind], "aria-label": KINDS[kind] })));
    input.addEventListener("input", () => { local.shown = ERRORS; display(); });
    more.addEventListener("click", () => { local.shown += 10 * ERRORS; display(); });
    display();
  }

  function errorRow(confusion, full) {
    const { kind, reference, hypothesis, times } = confusion;
    const words = kind === "S" ? [make("span", {}, visible(reference)), make("span", { class: "arrow" }, "→"), make("span", {}, visible(hypothesis))]
      : [make("span", {}, visible(reference || hypothesis))];
    const scale = make("span", { class: "scale" }, make("span", { class: `fill ${kind}` }));
    scale.firstChild.style.width = `${(100 * times) / full}%`;
    const choose = () => {
      state.picked = state.picked === confusion ? null : confusion;
      show();
    };
    const title = `${count(times, "time")} in ${count(confusion.held.size, "utterance")}`;
    const row = make("button", { type: "button", title, onclick: choose }, kindMark(kind), make("span", { class: "pair" }, ...words),
      scale, make("span", { class: "count" }, times.toLocaleString("en")));
    row.confusion = confusion;
    return row;
  }

  // ---- Sound: a player beneath the utterance, made when it is first asked for

  let playing = null; // the player that sounds or last did
  const stop = () => { playing?.audio.pause(); playing = null; };

  function playButton(utterance, cell) {
    let player = null;
    return button("▶", () => {
      if (!player) {
        player = makePlayer(utterance);
        cell.append(player.panel);
        player.draw();
      }
      player.toggle();
    }, { "aria-label": `Play ${utterance.id}` });
  }

  function makePlayer(utterance) {
    const { clip } = utterance;
    const bytes = Uint8Array.from(atob(clip.data), (each) => each.charCodeAt(0));
    const audio = make("audio", { preload: "auto" });
    const decoded = decode(bytes, clip.rate);
    const ready = decoded.then((samples) => { audio.src = URL.createObjectURL(wav(samples, clip.rate)); });
    const toggleButton = button("▶ Play", () => player.toggle(), { class: "quiet" });
    const time = make("span", { class: "time" });
    const track = make("div", { class: "track" });
    track.style.width = `${clip.duration * 7}rem`; // where words of two letters still stand apart
    const canvas = make("canvas", { role: "img", "aria-label": `Spectrogram of ${utterance.id}` });
    const playhead = make("div", { class: "playhead" });
    const slider = make("div", { class: "spectrum", role: "slider", tabindex: "0", "aria-label": "Position", "aria-valuemin": "0", "aria-valuemax": clip.duration },
      canvas, ...hertz(clip.rate), playhead);
    const words = wordStrip(utterance, (from) => player.play(from));
    track.append(slider, ticks(clip.duration), words);
    const scroll = make("div", { class: "scroll" }, track);
    const hint = clip.words.length ? "Choose a word to play from there." : "";
    const panel = make("div", { class: "player" }, make("div", { class: "bar" }, toggleButton, time, make("span", {}, hint)), scroll, audio);

    const player = {
      panel, audio,
      toggle() { audio.paused ? this.play() : audio.pause(); },
      play(from) {
        if (playing !== this) stop();
        playing = this;
        ready.then(() => {
          if (from !== undefined) audio.currentTime = from;
          return audio.play();
        }).catch((error) => { if (error.name !== "AbortError") time.textContent = `cannot be played here: ${error.message}`; });
      },
      draw() {
        layWords(words, clip.duration);
        decoded.then((samples) => spectrogram(samples, clip, canvas)).catch(() => canvas.replaceWith(make("p", { class: "note" }, "The sound cannot be decoded here.")));
      },
    };
    const seek = (to) => { audio.currentTime = Math.min(Math.max(to, 0), clip.duration); follow(); };
    const follow = () => {
      const now = audio.currentTime;
      playhead.style.left = `${(100 * now) / clip.duration}%`;
      slider.setAttribute("aria-valuenow", now.toFixed(2));
      time.textContent = `${now.toFixed(2)} of ${clip.duration.toFixed(2)} s`;
      for (const each of words.children) each.classList.toggle("now", each.start <= now && now < each.end);
      const at = playhead.offsetLeft - scroll.scrollLeft;
      if (!audio.paused && (at < 0 || at > scroll.clientWidth * 0.9)) scroll.scrollLeft = playhead.offsetLeft - 24;
      if (!audio.paused) requestAnimationFrame(follow);
    };
    slider.addEventListener("click", (event) => seek(((event.clientX - slider.getBoundingClientRect().left) / slider.clientWidth) * clip.duration));
    slider.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -0.1, ArrowRight: 0.1 }[event.key];
      if (by) { seek(audio.currentTime + by); event.preventDefault(); }
    });
    for (const name of ["play", "pause", "ended", "seeked", "timeupdate"]) audio.addEventListener(name, follow);
    for (const name of ["play", "pause", "ended"]) audio.addEventListener(name, () => { toggleButton.textContent = audio.paused ? "▶ Play" : "❚❚ Pause"; });
    follow();
    return player;
  }

  async function decode(bytes, sampleRate) {
    return (await new OfflineAudioContext(1, 1, sampleRate).decodeAudioData(bytes.buffer)).getChannelData(0);
  }

  /** Samples as a wav file of 16 bits, in which browsers find any time exactly: in a short Ogg file they guess. */
  function wav(samples, sampleRate) {
    const file = new DataView(new ArrayBuffer(44 + 2 * samples.length));
    const ascii = (at, text) => [...text].forEach((each, k) => file.setUint8(at + k, each.charCodeAt(0)));
    ascii(0, "RIFF"); file.setUint32(4, 36 + 2 * samples.length, true); ascii(8, "WAVEfmt ");
    file.setUint32(16, 16, true); file.setUint16(20, 1, true); file.setUint16(22, 1, true); // PCM, one channel
    file.setUint32(24, sampleRate, true); file.setUint32(28, 2 * sampleRate, true); // bytes a second
    file.setUint16(32, 2, true); file.setUint16(34, 16, true); ascii(36, "data"); file.setUint32(40, 2 * samples.length, true);
    samples.forEach((each, at) => file.setInt16(44 + 2 * at, Math.max(-32768, Math.min(32767, Math.round(32768 * each))), true));
    return new Blob([file], { type: "audio/wav" });
  }

  function hertz(sampleRate) {
    const top = sampleRate / 2;
    const step = top > 6000 ? 2000 : 1000;
    const marks = [];
    for (let at = step; at < top; at += step) {
      const mark = make("span", { class: "hertz", "aria-hidden": "true" }, `${at / 1000} kHz`);
      mark.style.top = `calc(${100 * (1 - at / top)}% - 0.5rem)`;
      marks.push(mark);
    }
    return marks;
  }

  function ticks(duration) {
    const line = make("div", { class: "ticks", "aria-hidden": "true" });
    for (let at = 0; at < duration; at += 0.5) {
      const tick = line.appendChild(make("span", {}, `${at} s`));
      tick.style.left = `${(100 * at) / duration}%`;
    }
    return line;
  }

  /** The words of the hypothesis at their times, coloured as in the alignment where they are the same in number. */
  function wordStrip(utterance, play) {
    const { clip } = utterance;
    const kinds = utterance.steps.replaceAll("D", "");
    return make("div", { class: "words" }, ...clip.words.map(([text, start, end, confidence], at) => {
      const title = `${start.toFixed(2)} to ${end.toFixed(2)} s, confidence ${confidence.toFixed(2)}`;
      const kind = kinds.length === clip.words.length ? kinds[at] : "";
      return Object.assign(button(text, () => play(start), { title, class: kind }), { start, end });
    }));
  }

  /** Each word below its sound, a line lower where the word before needs the room. */
  function layWords(words, duration) {
    const width = words.clientWidth;
    const ends = [];
    for (const each of words.children) {
      const left = (each.start / duration) * width;
      let lane = ends.findIndex((end) => end <= left);
      if (lane < 0) lane = ends.length;
      ends[lane] = left + each.offsetWidth + 4;
      each.style.left = `${(100 * each.start) / duration}%`;
      each.style.top = `${lane * 1.5}rem`;
      each.style.setProperty("--span", `${Math.max(2, ((each.end - each.start) / duration) * width)}px`);
    }
    words.style.height = `${ends.length * 1.5}rem`;
  }

  // ---- The spectrogram: 25 ms Hann windows, the highs lifted by 6 dB an octave, the loudest 65 dB

  const WINDOW = 0.025; // seconds
  const HOP = 0.002; // seconds, longer where the picture has fewer columns
  const RANGE = 65; // decibels
  const pictures = new Set(); // drawn canvases, for a change of colours

  function spectrogram(samples, clip, canvas) {
    const columns = Math.min(Math.ceil(clip.duration / HOP), Math.ceil(canvas.clientWidth * devicePixelRatio), 16000);
    canvas.levels = levels(samples, clip.rate, columns);
    canvas.columns = columns;
    pictures.add(canvas);
    paint(canvas);
  }

  /** Powers in decibels, 0 to 255 for the loudest RANGE, a column of `size / 2` after the other. */
  function levels(samples, sampleRate, columns) {
    const length = Math.round(WINDOW * sampleRate);
    const size = 2 ** Math.ceil(Math.log2(2 * length));
    const taper = Float32Array.from({ length }, (_, at) => 0.5 - 0.5 * Math.cos((2 * Math.PI * (at + 0.5)) / length));
    const transform = fourier(size);
    const found = new Float32Array((columns * size) / 2);
    let top = -Infinity;
    for (let column = 0; column < columns; column++) {
      const [re, im] = [new Float32Array(size), new Float32Array(size)];
      const first = Math.round(((column + 0.5) / columns) * samples.length - length / 2);
      for (let at = 0; at < length; at++) re[at] = ((samples[first + at] ?? 0) - 0.97 * (samples[first + at - 1] ?? 0)) * taper[at];
      transform(re, im);
      for (let bin = 0; bin < size / 2; bin++) {
        const level = 10 * Math.log10(re[bin] ** 2 + im[bin] ** 2 + 1e-12);
        found[(column * size) / 2 + bin] = level;
        top = Math.max(top, level);
      }
    }
    return Uint8ClampedArray.from(found, (level) => 255 * (1 + (level - top) / RANGE));
  }

  /** The fast Fourier transform in place, `size` a power of two (Cooley & Tukey 1965). */
  function fourier(size) {
    const bits = Math.log2(size);
    const [cosine, sine] = [Math.cos, Math.sin].map((f) => Float32Array.from({ length: size / 2 }, (_, at) => f((-2 * Math.PI * at) / size)));
    const mirrored = Uint16Array.from({ length: size }, (_, at) => {
      let found = 0;
      for (let bit = 0; bit < bits; bit++) found |= ((at >> bit) & 1) << (bits - 1 - bit);
      return found;
    });
    return (re, im) => {
      for (let at = 0; at < size; at++) {
        const to = mirrored[at];
        if (at < to) [re[at], re[to], im[at], im[to]] = [re[to], re[at], im[to], im[at]];
      }
      for (let half = 1; half < size; half *= 2) {
        for (let block = 0; block < size; block += 2 * half) {
          for (let k = 0; k < half; k++) {
            const [c, s, a, b] = [cosine[(k * size) / (2 * half)], sine[(k * size) / (2 * half)], block + k, block + k + half];
            const [x, y] = [c * re[b] - s * im[b], c * im[b] + s * re[b]];
            [re[b], im[b], re[a], im[a]] = [re[a] - x, im[a] - y, re[a] + x, im[a] + y];
          }
        }
      }
    };
  }

  function paint(canvas) {
    const { levels: found, columns } = canvas;
    const height = found.length / columns;
    [canvas.width, canvas.height] = [columns, height];
    const picture = new ImageData(columns, height);
    const pixels = new Uint32Array(picture.data.buffer);
    const colours = palette();
    for (let column = 0; column < columns; column++) {
      for (let bin = 0; bin < height; bin++) pixels[(height - 1 - bin) * columns + column] = colours[found[column * height + bin]];
    }
    canvas.getContext("2d").putImageData(picture, 0, 0);
  }

  /** 256 colours from silence to loud, as the page's are now. */
  function palette() {
    const probe = document.body.appendChild(make("span", { hidden: true }));
    const stops = [0, 1, 2].map((at) => {
      probe.style.color = `var(--sound-${at})`;
      return getComputedStyle(probe).color.match(/\d+/g).map(Number);
    });
    probe.remove();
    const bytes = new Uint8ClampedArray(1024);
    for (let at = 0; at < 256; at++) {
      const [from, part] = at < 128 ? [0, at / 128] : [1, (at - 128) / 127];
      for (let channel = 0; channel < 3; channel++) bytes[4 * at + channel] = stops[from][channel] + part * (stops[from + 1][channel] - stops[from][channel]);
      bytes[4 * at + 3] = 255;
    }
    return new Uint32Array(bytes.buffer);
  }

  // ---- Light and dark

  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme ?? (prefersDark.matches ? "dark" : "light")) === "dark";
  function recolour() {
    $("theme").textContent = isDark() ? "Light" : "Dark";
    $("theme").setAttribute("aria-label", `Show in ${isDark() ? "light" : "dark"} colours`);
    for (const each of pictures) each.isConnected ? paint(each) : pictures.delete(each);
  }
  $("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    recolour();
  });
  prefersDark.addEventListener("change", recolour);

  // ---- Begin

  $("speakers").hidden = !names.length;
  $("speaker-label").hidden = !names.length;
  $("sound-label").hidden = !utterances.some((each) => each.clip);
  $("speaker").append(...names.map((name, at) => make("option", { value: at }, name)));
  $("speaker-sort").addEventListener("change", showSpeakers);
  $("speaker-more").addEventListener("click", () => { bars = Infinity; showSpeakers(); });
  $("picked").addEventListener("click", () => { state.picked = null; show(); });
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("filters").addEventListener("reset", () => { state.picked = null; setTimeout(show); });
  for (const each of $("filters").querySelectorAll("input, select")) {
    each.addEventListener(each.type === "search" ? "input" : "change", () => show()); // a search changes when it is left
  }
  for (const each of document.querySelectorAll(".errors")) errorList(each);
  if (names.length) showSpeakers();
  recolour();
  show();
})();
