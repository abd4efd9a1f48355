//! All states that a small pool can reach: threads take, fill and seal chunks, the recorder polls, and at any moment
//! any of them can be killed or forked. In each state a chunk is one thread's at most; and from each one, whoever looks
//! for a chunk gets one as soon as the recorder has polled, if not all are those of threads that live.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};

use super::protocol::Protocol;
use super::replayed::{Replayed, Run};
use crate::states::{self, FREE, Task};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// Not yet born, or killed.
    Nothing,
    /// Looks for a chunk: first whether it may have one.
    Asks,
    /// Then which there are.
    ReadsHints,
    /// Then takes the first of these.
    Takes(u64),
    Wants,
    Owns(u32),
    Publishes(u32),
    Seals(u32),
}

#[derive(Clone, Debug)]
struct Thread {
    task: Task,
    doing: Doing,
    /// What the operations of that have returned so far.
    history: Vec<u64>,
    was_born: bool,
}

#[derive(Clone, Copy, Debug)]
enum Polling {
    Begins,
    IsSealed(u32),
    Reads(u32),
    Frees(u32),
    AfterTheDead,
    After(u32),
}

#[derive(Clone, Debug)]
struct World {
    memory: Vec<u64>,
    threads: Vec<Thread>,
    polling: Polling,
    /// How many chunks this poll goes through.
    touched: u32,
    history: Vec<u64>,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    RecorderGoesOn,
    GoesOn(usize),
    IsKilled(usize),
    /// A process is forked, whose one thread this is. It takes no part in what its parent does.
    IsBorn(usize),
    /// A process is forked, whose one thread this is. It goes on where the other one is.
    GoesOnAs(usize, usize),
}

/// What is to be tried.
#[derive(Clone, Copy)]
pub struct Scene {
    pub chunks: u32,
    pub limit: u32,
    pub threads: usize,
    /// How many of them are there from the beginning.
    pub born: usize,
    /// Whether forked processes go on in what their parents were doing.
    pub copies_go_on: bool,
}

pub struct Explorer {
    scene: Scene,
    pool: Replayed,
    /// Values that have been seen, numbered, so that a state takes few bytes.
    values: FxHashMap<u64, u8>,
}

/// What was tried in vain, or how it went wrong.
pub type Outcome = Result<Figures, (&'static str, Vec<Event>)>;

#[derive(Clone, Copy, Debug)]
pub struct Figures {
    pub states: usize,
    pub events: usize,
}

impl Explorer {
    pub fn new(scene: Scene) -> Self {
        let pool = Replayed::new(scene.chunks, scene.limit, scene.threads);
        Self { scene, pool, values: FxHashMap::default() }
    }

    fn first(&self) -> World {
        let thread = |number: usize| Thread {
            task: Task { image: 1, tid: number as u32 },
            doing: if number < self.scene.born { Doing::Asks } else { Doing::Nothing },
            history: Vec::new(),
            was_born: number < self.scene.born,
        };
        let threads = (0..self.scene.threads).map(thread).collect();
        World { memory: self.pool.fresh(), threads, polling: Polling::Begins, touched: 0, history: Vec::new() }
    }

    fn events(&self, world: &World) -> Vec<Event> {
        let mut events = vec![Event::RecorderGoesOn];
        for (number, thread) in world.threads.iter().enumerate() {
            if thread.doing != Doing::Nothing {
                events.extend([Event::GoesOn(number), Event::IsKilled(number)]);
            } else if !thread.was_born {
                events.push(Event::IsBorn(number));
                let others = (0..number).filter(|&other| world.threads[other].doing != Doing::Nothing);
                if self.scene.copies_go_on {
                    events.extend(others.map(|other| Event::GoesOnAs(other, number)));
                }
            }
        }
        events
    }

    /// What the world is after an event; a word about it, if it must not be.
    fn after<P: Protocol>(&self, world: &World, event: Event) -> Result<World, &'static str> {
        let mut world = world.clone();
        match event {
            Event::RecorderGoesOn => self.poll::<P>(&mut world, Run::Step)?,
            Event::GoesOn(number) => self.go_on::<P>(&mut world, number, Run::Step),
            Event::IsKilled(number) => {
                let thread = &mut world.threads[number];
                (thread.doing, thread.history) = (Doing::Nothing, Vec::new());
                self.pool.kill(&mut world.memory, thread.task.tid);
            }
            Event::IsBorn(number) => {
                let thread = &mut world.threads[number];
                (thread.doing, thread.was_born) = (Doing::Asks, true);
            }
            Event::GoesOnAs(of, number) => world.threads[number] = world.threads[of].clone(),
        }
        Ok(world)
    }

    fn go_on<P: Protocol>(&self, world: &mut World, number: usize, run: Run) {
        let World { memory, threads, .. } = world;
        let Thread { task, doing, history, .. } = &mut threads[number];
        let (task, now) = (*task, *doing);
        // What `states::try_take` makes of hints.
        let some = |hints: u64| if hints == 0 { Doing::Wants } else { Doing::Takes(hints) };
        let next = self.pool.run(memory, history, run, |words| match now {
            Doing::Nothing => Doing::Nothing,
            Doing::Asks if P::is_full(words) => Doing::Wants,
            Doing::Asks => Doing::ReadsHints,
            Doing::ReadsHints => some(words.hints()),
            Doing::Takes(hints) => P::take_first(words, hints, task).map_or_else(some, Doing::Owns),
            Doing::Wants => {
                states::want(words);
                Doing::Asks
            }
            Doing::Owns(chunk) => {
                P::own(words, chunk, task);
                Doing::Publishes(chunk)
            }
            Doing::Publishes(chunk) => {
                states::publish(words, chunk, 1);
                Doing::Seals(chunk)
            }
            Doing::Seals(chunk) => {
                P::seal(words, chunk);
                Doing::Asks
            }
        });
        if let Some(next) = next {
            (*doing, *history) = (next, Vec::new());
        }
    }

    fn poll<P: Protocol>(&self, world: &mut World, run: Run) -> Result<(), &'static str> {
        let World { memory, polling, touched, history, .. } = world;
        let (now, count) = (*polling, *touched);
        let next_chunk = |chunk: u32| {
            if chunk + 1 < count { Polling::IsSealed(chunk + 1) } else { Polling::AfterTheDead }
        };
        let next = self.pool.run(memory, history, run, |words| {
            let mut count = count;
            let next = match now {
                Polling::Begins => {
                    count = states::touched(words);
                    if count == 0 { Polling::Begins } else { Polling::IsSealed(0) }
                }
                Polling::IsSealed(chunk) if P::is_sealed(words, chunk) => Polling::Reads(chunk),
                Polling::IsSealed(chunk) => next_chunk(chunk),
                Polling::Reads(chunk) if states::published(words, chunk) == 1 => Polling::Frees(chunk),
                Polling::Reads(_) => return Err("a sealed chunk does not hold what was published"),
                Polling::Frees(chunk) => {
                    P::free(words, chunk);
                    next_chunk(chunk)
                }
                Polling::AfterTheDead if P::reclaims_from_the_dead(words) => Polling::After(0),
                Polling::AfterTheDead => Polling::Begins,
                Polling::After(chunk) => {
                    P::reclaim(words, chunk, |task| words.is_dead(task.tid));
                    if chunk + 1 < count { Polling::After(chunk + 1) } else { Polling::Begins }
                }
            };
            Ok((next, count))
        });
        if let Some(next) = next {
            (*polling, *touched) = next?;
            history.clear();
        }
        Ok(())
    }

    /// What must hold in each state.
    fn check<P: Protocol>(&self, world: &World) -> Result<(), &'static str> {
        let mut held = 0_u64;
        for thread in &world.threads {
            let (chunk, is_own) = match thread.doing {
                Doing::Owns(chunk) | Doing::Publishes(chunk) => (chunk, true),
                Doing::Seals(chunk) => (chunk, thread.history.is_empty()),
                Doing::Nothing | Doing::Asks | Doing::ReadsHints | Doing::Takes(_) | Doing::Wants => continue,
            };
            let (word, _, is_sealed) = self.pool.chunk(&world.memory, chunk);
            if is_own && held & 1 << chunk != 0 {
                return Err("two threads have a chunk");
            }
            if is_own && !P::is_own(word, is_sealed, thread.task) {
                return Err("a thread that lives has lost its chunk");
            }
            held |= u64::from(is_own) << chunk;
        }
        Ok(())
    }

    /// What must come true from each state on: the recorder polls, and chunks are to be had.
    fn serves_again<P: Protocol>(&self, world: &World) -> Result<(), &'static str> {
        // In other states somebody is in the midst of a step. They come to one of these when he goes on.
        let is_at_rest = world.history.is_empty() && world.threads.iter().all(|thread| thread.history.is_empty());
        if !is_at_rest || !matches!(world.polling, Polling::Begins) {
            return Ok(());
        }
        let mut world = world.clone();
        let poll = |world: &mut World| -> Result<(), &'static str> {
            self.poll::<P>(world, Run::ToTheEnd)?;
            while !matches!(world.polling, Polling::Begins) {
                self.poll::<P>(world, Run::ToTheEnd)?;
            }
            Ok(())
        };
        // The threads stop with what they have, and the recorder takes what is sealed.
        poll(&mut world)?;
        // A thread finds no free chunk. That makes the recorder reclaim the chunks of dead ones.
        let newcomer = Task { image: 2, tid: 99 };
        self.pool.run(&mut world.memory, &mut Vec::new(), Run::ToTheEnd, states::want);
        poll(&mut world)?;
        let mut left = 0;
        for chunk in 0..self.scene.chunks {
            let has = |thread: &Thread| match thread.doing {
                Doing::Owns(of) | Doing::Publishes(of) | Doing::Seals(of) => of == chunk,
                Doing::Nothing | Doing::Asks | Doing::ReadsHints | Doing::Takes(_) | Doing::Wants => false,
            };
            if !world.threads.iter().any(has) {
                left += 1;
                let (word, can_be_found, is_sealed) = self.pool.chunk(&world.memory, chunk);
                if word != FREE || !can_be_found || P::SEALED_ARE_BITS && is_sealed {
                    return Err("a chunk is lost");
                }
            }
        }
        let newcomer = Thread { task: newcomer, doing: Doing::Asks, history: Vec::new(), was_born: true };
        for _ in 0..left {
            world.threads.push(newcomer.clone());
            let number = world.threads.len() - 1;
            while matches!(world.threads[number].doing, Doing::Asks | Doing::ReadsHints | Doing::Takes(_)) {
                self.go_on::<P>(&mut world, number, Run::ToTheEnd);
            }
            if !matches!(world.threads[number].doing, Doing::Owns(_)) {
                return Err("nobody gets a chunk");
            }
        }
        Ok(())
    }

    /// A state in few bytes, equal for equal states only.
    fn key(&mut self, world: &World) -> Box<[u8]> {
        let values = &mut self.values;
        let mut key = Vec::with_capacity(64);
        let mut value = |key: &mut Vec<u8>, value: u64| {
            let fresh = u8::try_from(values.len()).expect("few values are in use");
            key.push(*values.entry(value).or_insert(fresh));
        };
        for &word in &world.memory {
            value(&mut key, word);
        }
        for thread in &world.threads {
            let (kind, chunk) = match thread.doing {
                Doing::Nothing => (0, 0),
                Doing::Asks => (1, 0),
                Doing::ReadsHints => (6, 0),
                Doing::Takes(hints) => (7, hints as u32),
                Doing::Wants => (2, 0),
                Doing::Owns(chunk) => (3, chunk),
                Doing::Publishes(chunk) => (4, chunk),
                Doing::Seals(chunk) => (5, chunk),
            };
            key.extend([kind, chunk as u8, thread.task.tid as u8, u8::from(thread.was_born)]);
            key.push(thread.history.len() as u8);
            for &word in &thread.history {
                value(&mut key, word);
            }
        }
        let (kind, chunk) = match world.polling {
            Polling::Begins => (0, 0),
            Polling::IsSealed(chunk) => (1, chunk),
            Polling::Reads(chunk) => (2, chunk),
            Polling::Frees(chunk) => (3, chunk),
            Polling::AfterTheDead => (4, 0),
            Polling::After(chunk) => (5, chunk),
        };
        key.extend([kind, chunk as u8, world.touched as u8]);
        for &word in &world.history {
            value(&mut key, word);
        }
        key.into()
    }

    /// Tries everything, the shortest ways first.
    pub fn explore<P: Protocol>(mut self) -> Outcome {
        let first = self.first();
        let mut seen: FxHashSet<Box<[u8]>> = [self.key(&first)].into_iter().collect();
        // The way to each state: the one before it, and what happened.
        let mut ways: Vec<(usize, Event)> = vec![(0, Event::RecorderGoesOn)];
        let mut open = VecDeque::from([(0, first)]);
        let mut figures = Figures { states: 0, events: 0 };
        while let Some((number, world)) = open.pop_front() {
            figures.states += 1;
            self.check::<P>(&world)
                .and_then(|()| self.serves_again::<P>(&world))
                .map_err(|what| (what, way_to(&ways, number)))?;
            for event in self.events(&world) {
                figures.events += 1;
                let next = self.after::<P>(&world, event).map_err(|what| {
                    let mut way = way_to(&ways, number);
                    way.push(event);
                    (what, way)
                })?;
                if seen.insert(self.key(&next)) {
                    open.push_back((ways.len(), next));
                    ways.push((number, event));
                }
            }
        }
        Ok(figures)
    }
}

/// What happened up to a state, of which the one before and the last event are known.
fn way_to(ways: &[(usize, Event)], mut number: usize) -> Vec<Event> {
    let mut way = Vec::new();
    while number != 0 {
        way.push(ways[number].1);
        number = ways[number].0;
    }
    way.reverse();
    way
}
