// Every scenario by its name.
import { gatewayScenarios } from './gateway.mjs';
import { networkScenarios } from './network.mjs';
import { postgresScenarios } from './postgres.mjs';
import { redisScenarios } from './redis.mjs';

export const scenarios = {
  ...gatewayScenarios,
  ...redisScenarios,
  ...postgresScenarios,
  ...networkScenarios,
};
