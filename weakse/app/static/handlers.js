// What the elements of a page do. A page that is saved, mailed or shown in a notebook runs no script of its own,
// so the body of each function becomes an attribute of its element, such as `onclick`, without its comments: see
// `handler`.

// ---- a line to copy
function copyLine() {
  navigator.clipboard.writeText(this.previousElementSibling.textContent).then(() => {
    this.textContent = 'Copied';
    setTimeout(() => (this.textContent = 'Copy'), 1500);
  });
}

// ---- a field to drop a recording on
function dragOver() {
  event.preventDefault();
  this.classList.add('ws-over');
}
function dragLeave() {
  this.classList.remove('ws-over');
}
// ipywidgets keeps the file field of its button to itself: the dropped files are put where its dialogue would
// put the chosen ones
function dropFiles() {
  event.preventDefault();
  this.classList.remove('ws-over');
  const files = event.dataTransfer.files;
  const input = HTMLInputElement.prototype;
  const click = input.click;
  input.click = function () {
    this.files = files;
    this.dispatchEvent(new Event('change'));
  };
  try {
    this.closest('.ws-upload').querySelector('button').click();
  } finally {
    input.click = click;
  }
}

// ---- a picture beside its player: a click goes there
function seek() {
  const audio = this.parentElement.querySelector('audio');
  audio.currentTime = (event.offsetX / this.clientWidth) * audio.duration;
}

// ---- players with a switch; a player that is stopped before its sound began (AbortError) is no error
function switchTrack() {
  const players = this.closest('.ws-players');
  const chosen = this.closest('.ws-track').querySelector('audio');
  const playing = [...players.querySelectorAll('audio')].find((a) => a !== chosen && !a.paused);
  chosen.currentTime = playing ? playing.currentTime : +(players.dataset.at || 0);
  if (playing) {
    playing.pause();
    chosen.play().catch((e) => {
      if (e.name !== 'AbortError') throw e;
    });
  }
}
function followTrack() {
  const players = this.closest('.ws-players');
  if (players && this.closest('.ws-track').querySelector('input').checked) {
    players.dataset.at = this.currentTime;
    players.style.setProperty('--ws-at', (100 * this.currentTime) / this.duration + '%');
  }
}
function setVolume() {
  const same = this.closest('.ws-players')?.querySelector('.ws-same input');
  this.volume = same?.checked === false ? +this.dataset.volume : 1;
}
function setVolumes() {
  const all = this.closest('.ws-players').querySelectorAll('audio');
  all.forEach((a) => (a.volume = this.checked ? 1 : +a.dataset.volume));
}

// ---- before and after a mix: who is started takes over the place, who is replaced while it plays goes on; an event
// can come when its player is already out of the page, and then there is nothing to do
function playMix() {
  const widget = this.closest('.weakse');
  if (!widget) return;
  widget.querySelectorAll('audio').forEach((a) => {
    if (a !== this && !a.paused) {
      this.currentTime = a.currentTime;
      a.pause();
    }
  });
  widget.dataset.playing = this.ariaLabel;
}
function pauseMix() {
  const widget = this.closest('.weakse');
  if (widget && widget.dataset.playing == this.ariaLabel) delete widget.dataset.playing;
}
function followMix() {
  const widget = this.closest('.weakse');
  if (widget) {
    widget.dataset.at = this.currentTime;
    this.closest('.ws-desk').style.setProperty('--ws-at', (100 * this.currentTime) / this.duration + '%');
  }
}
function resumeMix() {
  const widget = this.closest('.weakse');
  if (widget && widget.dataset.playing == this.ariaLabel) {
    this.currentTime = +widget.dataset.at || 0;
    this.play().catch((e) => {
      if (e.name !== 'AbortError') throw e;
    });
  }
}

// ---- the page of the app: light, dark, or what the person's system says
function followTheme() {
  const asked = this.dataset.theme;
  const system = matchMedia('(prefers-color-scheme: dark)');
  const set = () => {
    const dark = asked === 'auto' ? system.matches : asked === 'dark';
    document.body.toggleAttribute('data-weakse-dark', dark);
    document.body.dataset.jpThemeLight = !dark;
  };
  set();
  system.addEventListener('change', set);
}
