//! Which processes are recorded beside the first one.

/// Which they are. Of a process that is not followed, what it starts is not followed either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Followed {
    /// None.
    Nobody = 0,
    /// Those that the first one starts, which is a launcher. What these start is not.
    Launched = 1,
    /// All that any of them starts.
    All = 2,
}

impl Followed {
    /// By its number; none, if there is no such number.
    #[must_use]
    pub const fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Launched,
            2 => Self::All,
            _ => Self::Nobody,
        }
    }

    /// Whether there may be several processes.
    #[must_use]
    pub const fn is_anybody(self) -> bool {
        !matches!(self, Self::Nobody)
    }

    /// Whether what a process starts is recorded: the first one, or another.
    #[must_use]
    pub const fn follows(self, is_first: bool) -> bool {
        match self {
            Self::Nobody => false,
            Self::Launched => is_first,
            Self::All => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_back() {
        for followed in [Followed::Nobody, Followed::Launched, Followed::All] {
            assert_eq!(Followed::from_number(followed as u32), followed);
        }
        assert_eq!(Followed::from_number(7), Followed::Nobody);
    }
}
