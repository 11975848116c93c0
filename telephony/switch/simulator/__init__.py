"""A switch without a telephone: the same port, on a virtual clock or in real time.

Scenarios drive the world outside (`Simulation`: callers, agents' phones, broken lines) and give
`Simulation.switch` to whatever they test. Start at `simulation.py`.
"""

from telephony.switch.simulator.simulation import Simulation

__all__ = ["Simulation"]
