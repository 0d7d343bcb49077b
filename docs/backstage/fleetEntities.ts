import {
  coreServices,
  createBackendModule,
  readSchedulerServiceTaskScheduleDefinitionFromConfig,
  type SchedulerServiceTaskRunner,
} from '@backstage/backend-plugin-api';
import type { Config } from '@backstage/config';
import { ResponseError } from '@backstage/errors';
import {
  catalogProcessingExtensionPoint,
  parseEntityYaml,
  type DeferredEntity,
  type EntityProvider,
  type EntityProviderConnection,
} from '@backstage/plugin-catalog-node';

/** Keeps an entity in the catalogue for each service that Fleet knows. */
class FleetEntities implements EntityProvider {
  private readonly url: string;
  private readonly apiKey: string;

  constructor(
    config: Config,
    private readonly schedule: SchedulerServiceTaskRunner,
  ) {
    this.url = `${config.getString('url')}/api/v1/graph?format=backstage`;
    this.apiKey = config.getString('apiKey');
  }

  getProviderName(): string {
    return 'fleet';
  }

  async connect(connection: EntityProviderConnection): Promise<void> {
    await this.schedule.run({
      id: 'fleet-entities',
      fn: async signal => {
        // All or nothing: a failed or broken export throws, and then the catalogue stays as it is.
        const entities = await this.read(signal);
        await connection.applyMutation({ type: 'full', entities });
      },
    });
  }

  private async read(signal: AbortSignal): Promise<DeferredEntity[]> {
    const answer = await fetch(this.url, { headers: { 'X-Api-Key': this.apiKey }, signal });
    if (!answer.ok) {
      throw await ResponseError.fromResponse(answer);
    }
    const location = { type: 'url', target: this.url };
    return [...parseEntityYaml(await answer.text(), location)].map(result => {
      if (result.type !== 'entity') {
        throw new Error(`${this.url} answered with what is no entity`);
      }
      return this.deferred(result.entity);
    });
  }

  private deferred(entity: DeferredEntity['entity']): DeferredEntity {
    const annotations = {
      ...entity.metadata.annotations,
      'backstage.io/managed-by-location': `url:${this.url}`,
      'backstage.io/managed-by-origin-location': `url:${this.url}`,
    };
    return {
      entity: { ...entity, metadata: { ...entity.metadata, annotations } },
      locationKey: 'fleet',
    };
  }
}

export default createBackendModule({
  pluginId: 'catalog',
  moduleId: 'fleet-entities',
  register(module) {
    module.registerInit({
      deps: {
        catalog: catalogProcessingExtensionPoint,
        config: coreServices.rootConfig,
        scheduler: coreServices.scheduler,
      },
      async init({ catalog, config, scheduler }) {
        const fleet = config.getConfig('fleet');
        const schedule = readSchedulerServiceTaskScheduleDefinitionFromConfig(fleet.getConfig('schedule'));
        catalog.addEntityProvider(new FleetEntities(fleet, scheduler.createScheduledTaskRunner(schedule)));
      },
    });
  },
});
