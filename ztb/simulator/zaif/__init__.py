"""Zaif's protocol on top of the exchange: public REST, ``/tapi`` and ``/stream``."""
