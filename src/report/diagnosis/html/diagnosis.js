
'use strict';
(() => {
  const at = id => document.getElementById(id);
  const read = script => JSON.parse(script.textContent);
  const table = at('table');
  if (!table) return;

  const { statuses, kinds, files, chunk } = read(at('head'));
  const rows = read(at('rows'));
  const [STATUS, MACHINE, PRODUCT, HOST, CAUSE, TRIES, FIRST, TIME, VERDICT, MORE] = rows[0].keys();

  // The rest of stories is read when the first of a chunk is opened.
  const chunks = document.getElementsByClassName('chunk');
  const read_chunks = new Map();
  const story = number => {
    const place = Math.floor(number / chunk);
    if (!read_chunks.has(place)) read_chunks.set(place, read(chunks[place]));
    return read_chunks.get(place)[number % chunk];
  };

  // Text is text wherever it comes from: nothing is made by way of markup.
  const make = (name, attributes, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes ?? {})) if (value != null) element.setAttribute(key, value);
    element.append(...children.flat().filter(child => child != null && child !== ''));
    return element;
  };

  const number = value => String(value).replace(/\B(?=(\d{3})+$)/g, ',');
  const plural = (count, one, many) => `${number(count)} ${count === 1 ? one : many}`;
  const three = value => String(Number(value.toPrecision(3)));
  const duration = ns => {
    const size = Math.abs(ns);
    if (size < 1e3) return `${ns} ns`;
    if (size < 999.5e3) return `${three(ns / 1e3)} µs`;
    if (size < 999.5e6) return `${three(ns / 1e6)} ms`;
    if (size < 120e9) return `${three(ns / 1e9)} s`;
    if (size < 7200e9) return `${Math.round(ns / 60e9)} min`;
    if (size < 172800e9) return `${Math.round(ns / 3600e9)} h`;
    return `${number(Math.round(ns / 86400e9))} days`;
  };
  const date = us => us == null ? [] : new Date(us / 1000).toISOString().slice(0, 19).split('T')
    .flatMap(part => [make('span', { class: 'keep' }, part), ' ']);
  const cause = row => row[CAUSE] == null ? '' : kinds[row[CAUSE]][1];
  const frames = list => list.length === 0 ? '' : `${list.length === 1 ? 'frame' : 'frames'} ${list.join(', ')}: `;
  const sign = status => make('span', { class: 'sign', 'aria-hidden': 'true' }, statuses[status][2]);

  // --- the story that is opened

  const list = (title, items) => items.length === 0 ? [] : [make('h4', {}, title), ...items];

  const finding = one => {
    const [, headline, remedy, article] = kinds[one.kind];
    return make('div', { class: 'cause' },
      make('h4', {}, headline),
      make('p', {}, one.text),
      one.evidence.length > 0 ? make('ul', { 'aria-label': 'Evidence' },
        one.evidence.map(([list, text]) => make('li', {}, make('small', {}, frames(list), text)))) : null,
      make('p', { class: 'remedy' }, make('b', {}, 'What to do: '), one.remedy ?? remedy),
      article ? make('p', { class: 'article' }, 'Microsoft: ', make('cite', {}, article)) : null);
  };

  const facts = (row, told) => {
    const entries = [];
    const add = (name, ...values) => values.flat().filter(Boolean).forEach(value => entries.push([name, value]));
    const id = value => value && make('code', {}, value);
    add('Machine', row[MACHINE]);
    add('Addresses', told.addresses.length > 1 && told.addresses.join(', '));
    add('CMID', id(told.cmid));
    add('Virtual', told.vm == null ? '' : told.vm ? 'yes' : 'no');
    add('Product', row[PRODUCT]);
    add('Application', told.application);
    add('ActID', id(told.act));
    add('KMSID', id(told.kms));
    add('By', told.method === 'directory' ? 'Active Directory' : told.method.toUpperCase());
    add('Found', told.found);
    for (const [label, cloud, epid] of told.hosts) {
      add('Asked', cloud ? `${label} (Azure, ${cloud})` : label);
      add('ePID', id(epid));
    }
    add('Tries', number(row[TRIES]));
    if (told.span) told.span.forEach(([frame, time], end) =>
      add(end ? 'Last packet' : 'First packet', `${time ? time.replace('T', ' ') + ', ' : ''}frame ${frame}`));
    add('Service time', row[TIME] == null ? '' : duration(row[TIME]));
    add('In', `${files[told.file]}, story ${told.number}`);
    let before = '';
    return make('dl', {}, entries.flatMap(([name, value]) => {
      const title = make('dt', {}, name === before ? '' : name);
      before = name;
      return [title, make('dd', {}, value)];
    }));
  };

  // Lanes are the columns of a grid, two halves each; an arrow goes from the middle of one to the middle of another.
  const sequence = (row, told) => {
    const lanes = [...new Set(told.steps.map(step => step.with))];
    const middle = lane => 3 + 2 * lane;
    const place = (element, from, to) => {
      element.style.gridColumn = `${from} / ${to}`;
      return element;
    };
    const line = (kind, step, [text, moment]) => {
      const lane = lanes.indexOf(step.with) + 1;
      const [frame, since] = moment ?? [];
      const who = kind.startsWith('to') ? `to ${step.with}: ` : `from ${step.with}: `;
      return make('li', {},
        make('span', { class: 'when' }, since == null ? '' : since === 0 ? '0' : `+${duration(since)}`,
          frame == null ? null : make('small', {}, `frame ${frame}`)),
        [0, ...lanes.keys()].map((_, lane) => place(make('i', {}), middle(lane), middle(lane) + 1)),
        place(make('div', { class: `arrow ${kind}` },
          make('span', {}, make('span', { class: 'away' }, who), text)), middle(0), middle(lane)));
    };
    const lines = told.steps.flatMap(step => step.answered
      ? [line('to asked', step, step.asked), line(`back ${step.tone}`, step, step.answered)]
      : [line(`to ${step.tone}`, step, step.asked)]);
    const chart = make('div', { class: 'chart', role: 'region', tabindex: 0, 'aria-label': 'Sequence' },
      make('ol', {}, make('li', { class: 'lanes', 'aria-hidden': 'true' },
        ['machine', ...lanes].map((lane, at) => place(make('span', {}, lane), 2 + 2 * at, 4 + 2 * at))), lines));
    chart.style.setProperty('--halves', 2 * (lanes.length + 1));
    const rest = told.left_out > 0
      ? make('p', { class: 'dim' }, `${plural(told.left_out, 'step', 'steps')} between the first and the last of these ${told.left_out === 1 ? 'is' : 'are'} not kept.`) : null;
    return [chart, rest];
  };

  const events = told => make('table', {}, make('caption', { class: 'away' }, 'Events of Windows'),
    make('thead', {}, make('tr', {}, ['event', 'time (UTC)', 'what it says', 'where'].map(name => make('th', { scope: 'col' }, name)))),
    make('tbody', {}, told.events.map(([id, time, where, text]) => make('tr', {}, make('th', { scope: 'row' }, String(id)),
      make('td', {}, time?.replace('T', ' ') ?? ''), make('td', {}, text), make('td', {}, where)))));

  const detail = index => {
    const [row, told] = [rows[index], story(index)];
    return make('tr', { class: `story is-${statuses[row[STATUS]][0]}`, id: `detail-${index + 1}` },
      make('td', { colspan: 8 },
        make('h3', {}, sign(row[STATUS]), ' ', row[VERDICT]),
        make('div', { class: 'columns' },
          make('div', {}, told.causes.map(finding),
            list('Worth knowing', told.remarks.map(finding)),
            list('What the capture cannot show', told.unseen.map(text => make('p', { class: 'dim' }, text)))),
          make('div', {}, make('h4', {}, 'Facts'), facts(row, told))),
        list('What happened', told.steps.length > 0 ? sequence(row, told) : []),
        list('Events of the machine', told.events.length > 0 ? [events(told)] : [])));
  };

  // --- the table

  const collator = new Intl.Collator('en', { numeric: true });
  const keys = [row => row[STATUS], row => row[MACHINE], row => row[PRODUCT], row => row[HOST], cause,
    row => row[TRIES], row => row[FIRST], row => row[TIME]];
  const ranks = [];
  // Of each story the place of its value among the values of the column, so that texts are compared once.
  const rank = column => ranks[column] ??= (() => {
    const values = rows.map(keys[column]);
    const is_none = value => value == null || value === '';
    const distinct = [...new Set(values)].filter(value => !is_none(value));
    distinct.sort(typeof distinct[0] === 'string' ? collator.compare : (a, b) => a - b);
    const places = new Map(distinct.map((value, place) => [value, place]));
    return Float64Array.from(values, value => is_none(value) ? NaN : places.get(value));
  })();

  const view = { column: 0, down: false, text: '', status: '', cause: '', page: 0, size: 100, order: [], open: new Set() };
  let words;
  const search = index => {
    words ??= rows.map(row => [statuses[row[STATUS]][1], row[MACHINE], row[PRODUCT], row[HOST], cause(row), row[VERDICT],
      row[MORE]].join('\n').toLowerCase());
    return words[index];
  };

  const arrange = () => {
    const terms = view.text.toLowerCase().split(/\s+/).filter(Boolean);
    const by = rank(view.column);
    const turn = view.down ? -1 : 1;
    view.order = [...rows.keys()].filter(index => {
      const row = rows[index];
      return (view.status === '' || row[STATUS] === Number(view.status))
        && (view.cause === '' || row[CAUSE] === Number(view.cause))
        && terms.every(term => search(index).includes(term));
    });
    // What is not known is last in both directions.
    view.order.sort((a, b) => Number.isNaN(by[a]) - Number.isNaN(by[b]) || turn * (by[a] - by[b]) || a - b);
    view.page = 0;
    draw();
  };

  const body = table.tBodies[0];
  const line = index => {
    const row = rows[index];
    const [name, word] = statuses[row[STATUS]];
    const open = view.open.has(index);
    return make('tr', { class: `row is-${name}${open ? ' open' : ''}`, id: `story-${index + 1}` },
      make('td', {}, sign(row[STATUS]), ' ', word),
      make('th', { scope: 'row' }, make('button', { type: 'button', 'aria-expanded': open,
        'aria-controls': open ? `detail-${index + 1}` : null }, row[MACHINE])),
      make('td', {}, row[PRODUCT]), make('td', {}, row[HOST]), make('td', {}, cause(row)),
      make('td', { class: 'number' }, number(row[TRIES])), make('td', {}, date(row[FIRST])),
      make('td', { class: 'number' }, row[TIME] == null ? '' : duration(row[TIME])));
  };

  const draw = () => {
    const all = view.order.length;
    const from = Math.min(view.page * view.size || 0, all);
    const to = Math.min(from + view.size, all);
    const lines = view.order.slice(from, to).flatMap(index => view.open.has(index) ? [line(index), detail(index)] : [line(index)]);
    body.replaceChildren(...lines);
    [...table.tHead.rows[0].cells].forEach((cell, column) => {
      if (column === view.column) cell.setAttribute('aria-sort', view.down ? 'descending' : 'ascending');
      else cell.removeAttribute('aria-sort');
    });
    at('shown').textContent = all === rows.length ? plural(all, 'story', 'stories')
      : `${number(all)} of ${number(rows.length)} stories`;
    at('range').textContent = all === 0 ? 'none' : `${number(from + 1)} to ${number(to)} of ${number(all)}`;
    at('first').disabled = at('previous').disabled = from === 0;
    at('next').disabled = at('last').disabled = to === all;
  };

  const toggle = index => {
    if (!view.open.delete(index)) view.open.add(index);
    const old = at(`story-${index + 1}`);
    const has_focus = old.contains(document.activeElement);
    at(`detail-${index + 1}`)?.remove();
    const fresh = line(index);
    old.replaceWith(fresh);
    if (view.open.has(index)) fresh.after(detail(index));
    if (has_focus) fresh.querySelector('button').focus();
  };

  body.addEventListener('click', event => {
    const row = event.target.closest('.row');
    if (row && getSelection().isCollapsed) toggle(Number(row.id.slice('story-'.length)) - 1);
  });
  table.tHead.addEventListener('click', event => {
    const cell = event.target.closest('button')?.parentElement;
    if (!cell) return;
    view.down = cell.cellIndex === view.column && !view.down;
    view.column = cell.cellIndex;
    arrange();
  });

  const controls = at('controls');
  const choose = (select, entries) => {
    entries.filter(([, , count]) => count > 0).forEach(([value, word, count]) =>
      select.append(make('option', { value }, `${word} (${number(count)})`)));
  };
  const count = (column, value) => rows.reduce((sum, row) => sum + (row[column] === value), 0);
  choose(at('status'), statuses.map(([, word], place) => [place, word, count(STATUS, place)]));
  choose(at('cause'), kinds.map(([, headline], place) => [place, headline, count(CAUSE, place)]).sort((a, b) => b[2] - a[2]));
  const filter = () => {
    view.text = at('text').value;
    view.status = at('status').value;
    view.cause = at('cause').value;
    arrange();
  };
  controls.addEventListener('input', filter);
  controls.addEventListener('submit', event => event.preventDefault());
  controls.addEventListener('reset', () => setTimeout(filter));

  const turn = page => {
    view.page = Math.max(0, Math.min(page, Math.ceil(view.order.length / view.size) - 1));
    draw();
    table.scrollIntoView();
  };
  at('first').addEventListener('click', () => turn(0));
  at('previous').addEventListener('click', () => turn(view.page - 1));
  at('next').addEventListener('click', () => turn(view.page + 1));
  at('last').addEventListener('click', () => turn(Infinity));
  at('size').addEventListener('change', event => {
    view.size = Number(event.target.value);
    view.page = 0;
    draw();
  });

  // A cause in the head leads to its stories.
  for (const cell of document.querySelectorAll('[data-kind]')) {
    const place = kinds.findIndex(([name]) => name === cell.dataset.kind);
    const found = count(CAUSE, place);
    if (found === 0 || rows.length === 1) continue;
    const button = make('button', { type: 'button', class: 'show' }, found === 1 ? 'Show its story' : `Show the ${number(found)} stories`);
    button.addEventListener('click', () => {
      controls.reset();
      at('cause').value = place;
      filter();
      at('stories').scrollIntoView();
      at('cause').focus({ preventScroll: true });
    });
    cell.append(button);
  }

  // All rows that are chosen are printed, not a page of them.
  let size;
  addEventListener('beforeprint', () => {
    size = view.size;
    view.size = Infinity;
    draw();
  });
  addEventListener('afterprint', () => {
    view.size = size;
    draw();
  });

  table.hidden = false;
  controls.hidden = at('shown').hidden = rows.length === 1;
  at('pages').hidden = rows.length <= 50;
  if (rows.length <= 3) rows.forEach((_, index) => view.open.add(index));
  const wanted = Number(/^#story-(\d+)$/.exec(location.hash)?.[1]) - 1;
  if (rows[wanted]) view.open.add(wanted);
  arrange();
  if (rows[wanted]) {
    turn(Math.floor(view.order.indexOf(wanted) / view.size));
    at(`story-${wanted + 1}`).scrollIntoView();
  }
})();
