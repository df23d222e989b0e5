"""An exchange on loopback: a matching engine driven by a tape, behind the venues' real wire protocols."""
