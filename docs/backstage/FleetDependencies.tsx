import type { Entity } from '@backstage/catalog-model';
import { Progress, ResponseErrorPanel, Table, type TableColumn } from '@backstage/core-components';
import { discoveryApiRef, fetchApiRef, useApi } from '@backstage/core-plugin-api';
import { ResponseError } from '@backstage/errors';
import { MissingAnnotationEmptyState, useEntity } from '@backstage/plugin-catalog-react';
import useAsync from 'react-use/esm/useAsync';

const SERVICE_ID = 'fleet/service-id';

type Dependency = {
  source: string;
  target: string;
  criticality: string;
  protocol: string | null;
  error_rate: number | null;
};

const columns: TableColumn<Dependency>[] = [
  { title: 'From', field: 'source' },
  { title: 'To', field: 'target' },
  { title: 'Criticality', field: 'criticality' },
  { title: 'Protocol', field: 'protocol' },
  { title: 'Errors', field: 'error_rate', type: 'numeric' },
];

export const isFleetAvailable = (entity: Entity) => Boolean(entity.metadata.annotations?.[SERVICE_ID]);

/** What the service of an entity depends on, and what depends on it. */
export const FleetDependencies = () => {
  const serviceId = useEntity().entity.metadata.annotations?.[SERVICE_ID];
  return serviceId ? <Dependencies serviceId={serviceId} /> : <MissingAnnotationEmptyState annotation={SERVICE_ID} />;
};

const Dependencies = ({ serviceId }: { serviceId: string }) => {
  const discovery = useApi(discoveryApiRef);
  const { fetch } = useApi(fetchApiRef);
  const { value, error, loading } = useAsync(async (): Promise<Dependency[]> => {
    const proxy = await discovery.getBaseUrl('proxy');
    // An id may hold a slash, which must not be taken for the end of it.
    const id = encodeURIComponent(serviceId);
    const answer = await fetch(`${proxy}/fleet/api/v1/services/${id}/dependencies?depth=1`);
    if (!answer.ok) {
      throw await ResponseError.fromResponse(answer);
    }
    return (await answer.json()).edges;
  }, [discovery, fetch, serviceId]);

  if (loading) {
    return <Progress />;
  }
  if (error) {
    return <ResponseErrorPanel error={error} />;
  }
  return <Table title="Dependencies" columns={columns} data={value ?? []} options={{ search: false }} />;
};
