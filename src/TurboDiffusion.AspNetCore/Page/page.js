// The page of a video service: it speaks the API and nothing else. The key, if there is one, goes with each request and is
// never part of an address.
const api = document.querySelector('meta[name=turbodiffusion-api]').content;
const keyName = 'turbodiffusion-key';
const one = id => document.getElementById(id);
const form = one('form'), list = one('videos'), fields = ['prompt', 'model', 'size', 'seconds', 'steps', 'seed'];
const videos = new Map();
let image = null;

class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function send(path, options = {}) {
  for (;;) {
    const key = sessionStorage.getItem(keyName);
    const headers = { ...options.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
    let response;
    try {
      response = await fetch(api + path, { ...options, headers });
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      throw new ApiError('The service does not answer.');
    }
    if (response.ok) return response;
    const message = (await response.json().catch(() => null))?.error?.message ?? `The service answered ${response.status}.`;
    if (response.status !== 401 || !response.headers.get('WWW-Authenticate')) throw new ApiError(message, response.status);
    await askForKey(message);
  }
}

const json = async (path, options) => (await send(path, options)).json();

let asking = null;
function askForKey(hint) {
  asking ??= new Promise(resolve => {
    const dialog = one('key-dialog');
    one('key-hint').textContent = `${hint} The key is kept until this tab is closed.`;
    dialog.addEventListener('close', () => {
      sessionStorage.setItem(keyName, one('key').value);
      one('key').value = '';
      asking = null;
      resolve();
    }, { once: true });
    dialog.addEventListener('cancel', event => event.preventDefault());
    dialog.showModal();
  });
  return asking;
}

// One video on the page: what it shows follows from the state that the service tells.
class Video {
  constructor(state) {
    this.element = one('video-template').content.firstElementChild.cloneNode(true);
    this.part = selector => this.element.querySelector(selector);
    this.part('.play').addEventListener('click', () => this.play());
    this.part('.download').addEventListener('click', () => report(this.download()));
    this.part('.reuse').addEventListener('click', () => this.reuse());
    this.part('.delete').addEventListener('click', () => report(this.remove()));
    this.element.dataset.id = state.id;
    this.show(state);
  }

  get ended() { return ['completed', 'failed'].includes(this.state.status); }

  show(state) {
    this.state = state;
    const done = state.status === 'completed', title = state.prompt;
    this.element.dataset.status = state.status;
    this.part('h3').textContent = title;
    this.part('.about').textContent = [state.size, state.seconds && `${Math.round(state.seconds * 10) / 10} s`, `seed ${state.seed}`, state.model]
      .filter(Boolean).join(' · ');
    this.part('.work').hidden = this.ended;
    this.part('progress').value = state.progress;
    this.part('progress').setAttribute('aria-label', `Progress of ${title}`);
    this.part('.stage').textContent = state.status === 'queued' ? `waiting${state.queue_position ? `, number ${state.queue_position}` : ''}`
      : [`${state.progress} %`, state.stage?.replaceAll('_', ' '), state.seconds_left != null && `about ${Math.ceil(state.seconds_left)} s left`]
        .filter(Boolean).join(', ');
    this.part('.note').textContent = state.note ?? '';
    this.part('.error').textContent = state.error?.message ?? '';
    this.part('.download').hidden = !done;
    // The player has a button of its own.
    this.part('.play').hidden = !done || !this.part('video').hidden;
    this.part('.delete').textContent = this.ended ? 'Delete' : 'Cancel';
    for (const button of this.element.querySelectorAll('button')) button.setAttribute('aria-label', `${button.textContent}: ${title}`);
    this.part('video').setAttribute('aria-label', title);
  }

  picture(source) {
    const picture = this.part('img');
    picture.src = source;
    picture.alt = `A picture of: ${this.state.prompt}`;
    picture.hidden = false;
  }

  // Until it has ended, or the page or the video goes. A connection that breaks is made again.
  async watch() {
    this.watching = new AbortController();
    while (!this.ended && !this.watching.signal.aborted) {
      try {
        const response = await send(`/videos/${this.state.id}/events`, { signal: this.watching.signal });
        for await (const { kind, data } of events(response.body)) {
          if (kind === 'video.preview') this.picture(data.image);
          else this.show(data);
        }
        if (!this.ended) this.show(await json(`/videos/${this.state.id}`));
      } catch (error) {
        if (this.watching.signal.aborted) return;
        if (error instanceof ApiError && !videos.has(this.state.id)) return;
        // Deleted elsewhere.
        if (error.status === 404) return this.leave();
        await new Promise(resolve => setTimeout(resolve, 2000));
        const still = await send(`/videos/${this.state.id}`).catch(() => null);
        if (still) this.show(await still.json());
      }
    }
    if (!this.ended) return;
    say(this.state.status === 'completed' ? `Finished: ${this.state.prompt}` : `Failed: ${this.state.prompt}. ${this.state.error?.message ?? ''}`);
    if (this.state.status === 'completed') await this.load();
  }

  async thumbnail() {
    if (this.state.status !== 'completed' || !this.state.has_pictures) return;
    const response = await send(`/videos/${this.state.id}/content?variant=thumbnail`);
    this.picture(URL.createObjectURL(await response.blob()));
  }

  async blob() {
    this.content ??= await (await send(`/videos/${this.state.id}/content`)).blob();
    return this.content;
  }

  async load() {
    const player = this.part('video');
    if (player.src) return;
    player.src = URL.createObjectURL(await this.blob());
    player.hidden = false;
    this.part('img').hidden = this.part('.play').hidden = true;
  }

  play() {
    report(this.load().then(() => {
      this.part('video').focus();
      return this.part('video').play();
    }));
  }

  async download() {
    const link = document.createElement('a'), blob = await this.blob();
    link.href = URL.createObjectURL(blob);
    link.download = `${this.state.id}.${blob.type.split('/')[1] ?? 'mp4'}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }

  reuse() {
    for (const name of fields) one(name).value = { ...this.state, steps: null }[name] ?? '';
    one('prompt').focus();
  }

  async remove() {
    const { id, prompt } = this.state, cancelled = !this.ended;
    this.watching?.abort();
    await send(`/videos/${id}`, { method: 'DELETE' });
    const next = this.element.nextElementSibling ?? this.element.previousElementSibling;
    this.leave();
    (next?.querySelector('.delete') ?? one('prompt')).focus();
    say(`${cancelled ? 'Cancelled' : 'Deleted'}: ${prompt}`);
  }

  leave() {
    this.element.remove();
    videos.delete(this.state.id);
    empty();
  }
}

// Server-sent events, read by hand: EventSource sends no key.
async function* events(body) {
  let text = '';
  const decoder = new TextDecoder(), reader = body.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    const blocks = text.split(/\r?\n\r?\n/);
    text = blocks.pop();
    for (const block of blocks) {
      const lines = block.split(/\r?\n/);
      const field = name => lines.filter(l => l.startsWith(`${name}:`)).map(l => l.slice(name.length + 1).trimStart()).join('\n');
      if (field('data')) yield { kind: field('event'), data: JSON.parse(field('data')) };
    }
  }
}

function add(state, first) {
  if (videos.has(state.id)) return videos.get(state.id);
  const video = new Video(state);
  videos.set(state.id, video);
  list[first ? 'prepend' : 'append'](video.element);
  empty();
  if (video.ended) report(video.thumbnail());
  else report(video.watch());
  return video;
}

function empty() { one('none').hidden = videos.size > 0; }
function say(text) { one('status').textContent = text; }
function complain(text) { one('problem').textContent = text; }
function report(promise) { promise.catch(error => { if (error.name !== 'AbortError') complain(error.message); }); }

async function showOlder() {
  const last = list.lastElementChild?.dataset.id;
  let page;
  try {
    page = await json(`/videos?limit=20${last ? `&after=${last}` : ''}`);
  } catch (error) {
    if (!last || error.status !== 400) throw error;
    // It is gone by now; what is older follows the one before it.
    videos.get(last).leave();
    return showOlder();
  }
  for (const state of page.data) add(state, false);
  one('more').hidden = !page.has_more;
  empty();
}

function choose(file) {
  image = file;
  one('chosen').hidden = !file;
  if (file) one('chosen-image').src = URL.createObjectURL(file);
  else one('image').value = '';
}

form.addEventListener('submit', event => {
  event.preventDefault();
  const body = new FormData();
  for (const name of fields) if (one(name).value) body.append(name, one(name).value);
  if (image) body.append('input_reference', image);
  complain('');
  one('create').disabled = true;
  report((async () => {
    try {
      const video = add(await json('/videos', { method: 'POST', body, headers: { 'Idempotency-Key': crypto.randomUUID?.() ?? `${Math.random()}` } }), true);
      say(`Accepted: ${video.state.prompt}. ${video.state.note ?? ''}`);
    } finally {
      one('create').disabled = false;
    }
  })());
});

one('image').addEventListener('change', event => choose(event.target.files[0] ?? null));
one('no-image').addEventListener('click', () => { choose(null); one('image').focus(); });
one('more').addEventListener('click', () => report(showOlder()));
const drop = one('drop');
for (const kind of ['dragover', 'dragleave', 'drop']) {
  drop.addEventListener(kind, event => {
    event.preventDefault();
    drop.classList.toggle('over', kind === 'dragover');
    const file = kind === 'drop' && [...event.dataTransfer.files].find(f => f.type.startsWith('image/'));
    if (file) choose(file);
  });
}

report((async () => {
  for (const model of (await json('/models')).data) one('model').append(new Option(model.id, model.id));
  await showOlder();
})());
